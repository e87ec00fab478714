// The frame of the page: the user, the current place and its component, and the state of the connection.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { admit, identify, signOut } from "./lib/api.js";
import { html } from "./lib/html.js";
import { shortcuts, useShortcuts } from "./lib/keys.js";
import { anchor, connect, connection, disconnect } from "./lib/live.js";
import { go, href, place } from "./lib/router.js";
import { inheritToken, keepToken, may, me, signInBecause } from "./lib/session.js";
import { PAGES } from "./pages/index.js";
import { ErrorBox } from "./ui/bits.js";
import { Dialog } from "./ui/dialog.js";
import { visible } from "./ui/json.js";

const THEME_KEY = "playhead.theme";
const theme = signal(localStorage.getItem(THEME_KEY) ?? "auto");
const isHelping = signal(false);
const problem = signal(/** @type {unknown} */ (null));

/** @type {Record<string, string>} */
const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };

function applyTheme() {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem(THEME_KEY, theme.value);
}

async function start() {
  problem.value = null;
  try {
    await inheritToken();
    await enter();
  } catch (error) {
    if (signInBecause.value === null) {
      problem.value = error;
      setTimeout(start, 2_000);
    }
  }
}

async function enter() {
  const answer = await identify();
  const mayRead = answer.scope !== "invoke";
  if (mayRead) await anchor();
  admit(answer);
  if (mayRead) connect();
}

function SignIn() {
  const [secret, setSecret] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => field.current?.focus(), []);
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setError(null);
    keepToken(secret.trim());
    try {
      await enter();
    } catch (failed) {
      setError(failed);
    }
  }
  return html`<form class="sign-in-form" onSubmit=${submit} aria-label="Sign in">
      <h1><span class="mark" aria-hidden="true"></span> playhead</h1>
      <p>${signInBecause.value}</p>
      <label class="field"
        ><span>Token</span
        ><input
          type="password"
          autocomplete="off"
          spellcheck=${false}
          data-first
          ref=${field}
          value=${secret}
          onInput=${(/** @type {InputEvent} */ event) => setSecret(/** @type {HTMLInputElement} */ (event.target).value)}
      /></label>
      <p class="faint">
        The server's own token is in its data directory, in the file <code>token</code>. It is kept for this tab, and for those
        opened from it, until they are closed.
      </p>
      <button type="submit" class="primary" disabled=${!secret.trim()}>Sign in</button>
      <${ErrorBox} error=${error} />
    </form>`;
}

function Connection() {
  /** @type {Record<string, string>} */
  const words = { connecting: "connecting", live: "live", lost: "connection lost, trying again" };
  return html`<span class=${`connection ${connection.value}`} role="status">
    <span class="dot" aria-hidden="true"></span>${words[connection.value]}</span
  >`;
}

function Help() {
  return html`<${Dialog} title="Keys" onClose=${() => (isHelping.value = false)}>
    <dl class="facts keys">
      ${[
        ...shortcuts().map((one) => [one.key, one.does]),
        ["j, k", "in a table: down, up"],
        ["Enter", "in a table: open"],
        ["x, Space", "in a table: select"],
        ["Esc", "close the dialog or menu"],
      ].map(([key, does]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}
    </dl>
  <//>`;
}

function Shell() {
  const { path, params, isOwn } = place.value;
  const page = PAGES.find((one) => one.name === (path[0] ?? PAGES[0].name));
  const shown = page && path.length > 1 && page.detail ? page.detail : page?.page;
  useEffect(() => {
    document.title = page ? `${path[1] ?? page.title} · playhead` : "playhead";
  }, [path.join("/")]);
  useShortcuts([
    { key: "?", does: "show the keys", run: () => (isHelping.value = true) },
    {
      key: "/",
      does: "filter the list",
      run: () => /** @type {HTMLElement | null} */ (document.querySelector("[data-filter]"))?.focus(),
    },
    ...["j", "k"].map((key) => ({
      key,
      does: "into the table",
      run: () => /** @type {HTMLElement | null} */ (document.querySelector("main [role=grid]"))?.focus(),
    })),
    ...PAGES.map((one) => ({ key: `g ${one.key}`, does: `go to ${one.title}`, run: () => go(href([one.name])) })),
  ]);
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      document.getElementById("main")?.focus();
    }}>Skip to content</a>
    <header class="bar">
      <a class="brand" href=${href([])} aria-label="playhead, overview"><span class="mark" aria-hidden="true"></span> playhead</a>
      <nav aria-label="Pages">
        ${PAGES.map(
          (one) => html`<a key=${one.name} href=${href([one.name])} aria-current=${one === page ? "page" : undefined}>${one.title}</a>`,
        )}
      </nav>
      <div class="who">
        <${Connection} />
        <span class="scope" title=${`this token has the scope ${me.value?.scope}`}>${me.value?.name} · ${me.value?.scope}</span>
        <button type="button" class="plain" onClick=${() => (theme.value = NEXT_THEME[theme.value])}>${theme.value}</button>
        <button type="button" class="plain" aria-label="Keys" onClick=${() => (isHelping.value = true)}>?</button>
        ${me.value?.is_open
          ? null
          : html`<button type="button" class="plain" onClick=${() => {
              disconnect();
              signOut("You have signed out.");
            }}>sign out</button>`}
      </div>
    </header>
    <main id="main" tabindex="-1">
      ${!may("read")
        ? html`<${ErrorBox} error="This token may call handlers, and see nothing: it has the scope invoke, and this page needs read." />`
        : shown
          ? html`<${shown} key=${path.join("/")} path=${path} params=${params} isOwn=${isOwn} />`
          : html`<div class="page"><h1>No such page</h1>
              <${ErrorBox} error=${`There is no page ${visible(path[0])}.`} />
              <p><a href=${href([])}>Go to the overview</a></p>
            </div>`}
    </main>
    ${isHelping.value ? html`<${Help} />` : null}
  </div>`;
}

function App() {
  // A user whose token has become invalid signs in again in a dialog; the page below keeps its typed input.
  if (signInBecause.value !== null) {
    return me.value === null
      ? html`<main class="sign-in"><${SignIn} /></main>`
      : html`<${Shell} /><${Dialog} title="Sign in again" onClose=${() => {}}><${SignIn} /><//>`;
  }
  if (me.value === null) return html`<main class="sign-in"><${ErrorBox} error=${problem.value} /></main>`;
  return html`<${Shell} />`;
}

theme.subscribe(applyTheme);
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
void start();
