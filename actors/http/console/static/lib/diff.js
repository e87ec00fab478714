// The differences between two texts, line by line: the shortest edit script (Myers), in bounded time.

/** @typedef {{ kind: "same" | "gone" | "new", text: string, before: number | null, after: number | null }} Line `before` and
 *   `after` are its number in each text, from 1 */

const MOST_CHANGES = 1_500; // beyond it what lies between the common ends is shown as replaced

/** @param {string} text */
export function linesOf(text) {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/**
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Line[]}
 */
export function diffLines(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const middle = shortest(before.slice(start, before.length - end), after.slice(start, after.length - end));
  /** @type {("same" | "gone" | "new")[]} */
  const kinds = [...Array(start).fill("same"), ...middle, ...Array(end).fill("same")];
  let i = 0;
  let j = 0;
  return kinds.map((kind) => {
    if (kind === "gone") return { kind, text: before[i++], before: i, after: null };
    if (kind === "new") return { kind, text: after[j++], before: null, after: j };
    return { kind, text: before[i++], before: i, after: ++j };
  });
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @returns {("same" | "gone" | "new")[]}
 */
function shortest(a, b) {
  /** @type {Int32Array[]} */
  const trace = [];
  const most = Math.min(a.length + b.length, MOST_CHANGES);
  const middle = most + 1;
  let furthest = new Int32Array(2 * most + 3);
  for (let d = 0; d <= most; d++) {
    trace.push(furthest.slice(middle - d - 1, middle + d + 2)); // as it was before this round: only these were reached
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && furthest[middle + k - 1] < furthest[middle + k + 1]);
      let x = isDown ? furthest[middle + k + 1] : furthest[middle + k - 1] + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      furthest[middle + k] = x;
      if (x >= a.length && y >= b.length) return walkedBack(trace, d, a.length, b.length);
    }
  }
  return [...Array(a.length).fill("gone"), ...Array(b.length).fill("new")];
}

/**
 * @param {Int32Array[]} trace
 * @param {number} rounds
 * @param {number} x
 * @param {number} y
 */
function walkedBack(trace, rounds, x, y) {
  /** @type {("same" | "gone" | "new")[]} */
  const found = [];
  for (let d = rounds; d > 0; d--) {
    const reached = trace[d];
    /** @param {number} k */
    const at = (k) => reached[k + d + 1];
    const k = x - y;
    const isDown = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const before = isDown ? k + 1 : k - 1;
    const beforeX = at(before);
    const beforeY = beforeX - before;
    while (x > beforeX + (isDown ? 0 : 1) && y > beforeY + (isDown ? 1 : 0)) {
      found.push("same");
      x--;
      y--;
    }
    found.push(isDown ? "new" : "gone");
    x = beforeX;
    y = beforeY;
  }
  while (x > 0 && y > 0) {
    found.push("same");
    x--;
    y--;
  }
  return found.reverse();
}

/**
 * The changed lines, with some unchanged lines around each change.
 * @param {Line[]} lines
 * @param {number} around
 * @returns {{ lines: Line[], left: number }[]} `left`: how many were left out before these
 */
export function hunksOf(lines, around) {
  /** @type {{ lines: Line[], left: number }[]} */
  const hunks = [];
  let lastChange = -Infinity;
  let left = 0;
  /** @type {number[]} */
  const changes = lines.flatMap((line, index) => (line.kind === "same" ? [] : [index]));
  let next = 0;
  lines.forEach((line, index) => {
    while (next < changes.length && changes[next] < index) lastChange = changes[next++];
    const nextChange = next < changes.length ? changes[next] : Infinity;
    if (index - lastChange <= around || nextChange - index <= around) {
      if (left > 0 || hunks.length === 0) hunks.push({ lines: [], left });
      left = 0;
      hunks[hunks.length - 1].lines.push(line);
    } else left++;
  });
  if (left > 0) hunks.push({ lines: [], left });
  return hunks;
}

/**
 * How many lines are new, and how many gone.
 * @param {Line[]} lines
 */
export function countsOf(lines) {
  return { added: lines.filter((line) => line.kind === "new").length, removed: lines.filter((line) => line.kind === "gone").length };
}
