// A table that draws only the rows that can be seen, so that it is as quick with 100,000 as with ten. Keys: j and k or the
// arrows move, Enter opens, Space or x selects, Home and End go to the ends.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";

/** @typedef {import("../lib/html.js").Children} Children */

/**
 * @template R
 * @typedef {{
 *   name: string,
 *   title: Children,
 *   cell: (row: R) => Children,
 *   width?: string,
 *   sort?: string,
 *   align?: "right",
 * }} Column `width` is a CSS grid track; `sort` says what to sort by when the heading is chosen
 */

const AROUND = 12;
const LOOKED_AT = 5_000;

/**
 * @template R
 * @param {{
 *   label: string,
 *   columns: Column<R>[],
 *   count: number,
 *   rowAt: (index: number) => R | undefined,
 *   keyOf: (row: R) => string,
 *   onOpen?: (row: R) => void,
 *   onSeen?: (first: number, last: number) => void,
 *   selected?: { has: (key: string) => boolean },
 *   onSelect?: (keys: string[], isOn: boolean) => void,
 *   fetch?: (first: number, last: number) => Promise<void>,
 *   sorted?: { by: string, descending: boolean },
 *   onSort?: (by: string) => void,
 *   classOf?: (row: R) => string,
 *   rowHeight?: number,
 *   fit?: boolean,
 *   onHeld?: (isHeld: boolean) => void,
 *   onScroll?: (top: number) => void,
 *   begin?: number,
 *   resorted?: string | null,
 * }} props `rowAt` is undefined for a row that is still on its way; `onSeen` tells which are wanted, and `fetch` gets those
 *   that are about to be selected together. `fit`: as high as its rows, up to a limit, instead of as high as there is room.
 *   `onHeld`: whether the pointer or the focus is in it, so that a row that moved would be taken for another.
 *   `begin`: how far it is scrolled at first, or as soon as that is known. `resorted`: the column that the user has just sorted by,
 *   in the table before this one: its button gets the focus back.
 */
export function Table({
  label,
  columns,
  count,
  rowAt,
  keyOf,
  onOpen,
  onSeen,
  selected,
  onSelect,
  fetch = async () => {},
  sorted,
  onSort,
  classOf,
  rowHeight = 30,
  fit = false,
  onHeld,
  onScroll,
  begin = 0,
  resorted = null,
}) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 600 });
  // The row that the keys mean is this one, wherever it stands by now; its place only says where to look first.
  const [mark, setMark] = useState({ index: 0, key: /** @type {string | null} */ (null) });
  const cursor = placeOf(mark, count, rowAt, keyOf);
  const held = useRef({ pointer: false, focus: false });
  const focused = focusedRow(box.current);
  const anchor = useRef(mark); // the row that was taken last
  const id = useRef(`t${Math.random().toString(36).slice(2)}`).current;
  const first = Math.max(0, Math.floor(view.top / rowHeight) - AROUND);
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + AROUND);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (begin > 0 && box.current?.scrollTop === 0) box.current.scrollTop = begin;
  }, [begin]);

  useLayoutEffect(() => {
    if (resorted === null || document.activeElement !== document.body) return;
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`[data-sort="${resorted}"]`))?.focus();
  }, []);

  useEffect(() => onSeen?.(first, last), [first, last, count]);

  useLayoutEffect(() => {
    // Its element is another row's now, and so would be what is done to it.
    if (focused !== undefined && focusedRow(box.current) !== focused) box.current?.focus({ preventScroll: true });
  });

  useEffect(() => {
    const row = rowAt(cursor);
    const isUsed = mark.key !== null || held.current.focus; // until then it is the first, whichever that is
    if (row && isUsed && (mark.index !== cursor || mark.key !== keyOf(row))) markAt(cursor);
  });

  /** @param {number} index */
  function markAt(index) {
    const row = rowAt(index);
    setMark({ index, key: row ? keyOf(row) : null });
  }

  /** @param {"pointer" | "focus"} by @param {boolean} isIn */
  function hold(by, isIn) {
    held.current[by] = isIn;
    onHeld?.(held.current.pointer || held.current.focus);
  }

  /** @param {number} to */
  function move(to) {
    const next = Math.max(0, Math.min(count - 1, to));
    markAt(next);
    const element = box.current;
    if (!element) return;
    const top = next * rowHeight;
    const room = element.clientHeight - rowHeight; // the heading stays
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + room) element.scrollTop = top + rowHeight - room;
  }

  /** @param {number} index */
  function toggle(index) {
    const row = rowAt(index);
    if (row && onSelect) onSelect([keyOf(row)], !selected?.has(keyOf(row)));
    if (row) anchor.current = { index, key: keyOf(row) };
  }

  /**
   * Select everything between the row that was taken last and this one.
   * @param {number} index
   */
  async function stretch(index) {
    const start = placeOf(anchor.current, count, rowAt, keyOf);
    const from = Math.min(start, index);
    const to = Math.max(start, index) + 1;
    await fetch(from, to);
    /** @type {string[]} */
    const keys = [];
    for (let at = from; at < to; at++) {
      const row = rowAt(at);
      if (row) keys.push(keyOf(row));
    }
    onSelect?.(keys, true);
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== box.current) return;
    const page = Math.max(1, Math.floor(view.height / rowHeight) - 2);
    /** @type {Record<string, () => void>} */
    const keys = {
      j: () => move(cursor + 1),
      ArrowDown: () => move(cursor + 1),
      k: () => move(cursor - 1),
      ArrowUp: () => move(cursor - 1),
      PageDown: () => move(cursor + page),
      PageUp: () => move(cursor - page),
      Home: () => move(0),
      End: () => move(count - 1),
      Enter: () => {
        const row = rowAt(cursor);
        if (row) onOpen?.(row);
      },
      x: () => toggle(cursor),
      X: () => void stretch(cursor),
      " ": () => toggle(cursor),
    };
    const act = keys[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  }

  const tracks = (onSelect ? "28px " : "") + columns.map((column) => column.width ?? "minmax(80px, 1fr)").join(" ");
  // Every row for itself must come to the same widths, whatever it holds: so all are as wide as their narrowest tracks at least.
  const least = columns.reduce((sum, column) => sum + Number.parseInt(/\d+/.exec(column.width ?? "80")?.[0] ?? "80", 10) + 14, onSelect ? 66 : 24);
  const rows = [];
  // Elements are used again for the rows that come into sight, which is cheaper than making new ones.
  const slots = Math.ceil(view.height / rowHeight) + 2 * AROUND + 2;
  for (let index = first; index < last; index++) {
    const row = rowAt(index);
    const key = row ? keyOf(row) : `?${index}`;
    const isSelected = row !== undefined && (selected?.has(key) ?? false);
    rows.push(
      html`<div
        key=${index % slots}
        id=${`${id}-${index}`}
        data-key=${key}
        role="row"
        aria-rowindex=${index + 2}
        aria-selected=${onSelect ? isSelected : undefined}
        class=${`tr ${index === cursor ? "cursor" : ""} ${isSelected ? "selected" : ""} ${row && classOf ? classOf(row) : ""}`}
        style=${{ top: `${index * rowHeight}px`, height: `${rowHeight}px`, gridTemplateColumns: tracks, minWidth: `${least}px` }}
        onClick=${(/** @type {MouseEvent} */ event) => {
          markAt(index);
          const target = /** @type {HTMLElement} */ (event.target);
          if (row && !target.closest("a, button, input") && !getSelection()?.toString()) onOpen?.(row);
        }}
      >
        ${onSelect
          ? html`<span role="gridcell" class="td tick"
              >${row
                ? html`<input
                    type="checkbox"
                    tabindex="-1"
                    aria-label=${`select ${key}`}
                    checked=${isSelected}
                    onClick=${(/** @type {MouseEvent} */ event) => (event.shiftKey ? void stretch(index) : toggle(index))}
                  />`
                : null}</span
            >`
          : null}
        ${columns.map(
          (column) => html`<span key=${column.name} role="gridcell" class=${`td ${column.align ?? ""}`} data-column=${column.name}
            >${row ? column.cell(row) : html`<span class="ghost"></span>`}</span
          >`,
        )}
      </div>`,
    );
  }
  const height = fit ? { height: `${Math.min(count, 14) * rowHeight + 34}px` } : {};
  return html`<div
    ref=${box}
    class=${`table ${fit ? "fit" : ""}`}
    role="grid"
    tabindex="0"
    aria-label=${label}
    aria-rowcount=${count + 1}
    aria-multiselectable=${onSelect ? true : undefined}
    aria-activedescendant=${cursor >= first && cursor < last ? `${id}-${cursor}` : undefined}
    style=${height}
    onKeyDown=${onKeyDown}
    onPointerEnter=${() => hold("pointer", true)}
    onPointerLeave=${() => hold("pointer", false)}
    onFocusIn=${() => hold("focus", true)}
    onFocusOut=${() => hold("focus", false)}
    onScroll=${(/** @type {Event} */ event) => {
      const element = /** @type {HTMLElement} */ (event.currentTarget);
      setView({ top: element.scrollTop, height: element.clientHeight });
      onScroll?.(element.scrollTop);
    }}
  >
    <div role="row" aria-rowindex="1" class="tr head" style=${{ gridTemplateColumns: tracks, minWidth: `${least}px` }}>
      ${onSelect ? html`<span role="columnheader" class="td tick" aria-label="selected"></span>` : null}
      ${columns.map((column) => {
        const isSorted = sorted && sorted.by === column.sort;
        return html`<span
          key=${column.name}
          role="columnheader"
          class=${`td ${column.align ?? ""}`}
          aria-sort=${isSorted ? (sorted.descending ? "descending" : "ascending") : undefined}
          >${column.sort && onSort
            ? html`<button type="button" class="plain" data-sort=${column.sort} onClick=${() => onSort(/** @type {string} */ (column.sort))}>
                ${column.title}${isSorted ? (sorted.descending ? " ↓" : " ↑") : ""}
              </button>`
            : column.title}</span
        >`;
      })}
    </div>
    <div role="rowgroup" class="tbody" style=${{ height: `${count * rowHeight}px`, minWidth: `${least}px` }}>${rows}</div>
  </div>`;
}

/**
 * Where a marked row stands now: looked for around where it was. Where it was, if it is there no more.
 * @template R
 * @param {{ index: number, key: string | null }} mark
 * @param {number} count
 * @param {(index: number) => R | undefined} rowAt
 * @param {(row: R) => string} keyOf
 */
function placeOf(mark, count, rowAt, keyOf) {
  const before = Math.max(0, Math.min(mark.index, count - 1));
  if (mark.key === null) return before;
  for (let away = 0; away < Math.min(count, LOOKED_AT); away++) {
    for (const index of [before + away, before - away]) {
      const row = index >= 0 && index < count ? rowAt(index) : undefined;
      if (row && keyOf(row) === mark.key) return index;
    }
  }
  return before;
}

/** @param {HTMLElement | null} box */
function focusedRow(box) {
  const at = document.activeElement;
  return box?.contains(at) ? /** @type {HTMLElement | null | undefined} */ (at?.closest(".tbody .tr"))?.dataset.key : undefined;
}
