// A form for each handler, made from its types: to call it and show the result, or to send a message.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, get, pathOf, send } from "../lib/api.js";
import { parseJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { href, setParams } from "../lib/router.js";
import { may } from "../lib/session.js";
import { length } from "../lib/time.js";
import { Copy, Empty, ErrorBox, InvocationLink, Loading, Section } from "../ui/bits.js";
import { asCurl } from "../ui/copies.js";
import { Field } from "../ui/dialog.js";
import { Json, visible } from "../ui/json.js";
import { SchemaForm, beginningOf } from "../ui/schema.js";

/**
 * @typedef {{ name: string, mode: string, parameters: Record<string, any>, required: string[], result: any, doc: string, private: boolean }} Handler
 * @typedef {{ name: string, kind: string, is_served: boolean, handlers: Handler[], doc: string }} Service
 * @typedef {{ did: "call" | "send", seconds: number, invocation: string | null, value?: any, isNew?: boolean, error?: unknown }} Outcome
 */

const ID_HEADER = "x-playhead-invocation-id";

/** @param {Event} event */
function value(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {{ path: string[], params: Record<string, string> }} props */
export function TryIt({ path, params: given }) {
  // `#/try/Chat/say` names a handler as `#/try?service=Chat&handler=say` does.
  const params = path.length > 1 ? { ...given, service: given.service ?? path[1], handler: given.handler ?? path.at(-1) ?? "" } : given;
  const [filter, setFilter] = useState("");
  const { data, error, reload } = useLive("services", async (abort) => /** @type {Service[]} */ ((await get("services", {}, abort)).services).filter((one) => one.is_served).map((one) => ({ ...one, handlers: one.handlers.filter((each) => !each.private) })), { when: (changes) => changes.registry });
  if (data === undefined) return error ? html`<${ErrorBox} error=${error} retry=${reload} />` : html`<${Loading} />`;
  const service = data.find((one) => one.name === params.service) ?? data[0];
  if (service === undefined) {
    return html`<${Empty} title="Nothing is served"><p>No application is served, so nothing runs. Serve one:</p><pre>playhead serve shop/app.py</pre><//>`;
  }
  const handler = service.handlers.find((one) => one.name === params.handler) ?? service.handlers[0];
  const shown = data.map((one) => ({ ...one, handlers: one.handlers.filter((each) => `${one.name}/${each.name}`.toLowerCase().includes(filter.toLowerCase())) }));
  return html`<div class="page">
    <div class="page-head"><h1>Try it</h1></div>
    <div class="try-split">
      <nav class="panel handlers" aria-label="Handlers">
        <div class="body"><input data-filter aria-label="Filter handlers by name" placeholder="handler" value=${filter} onInput=${(/** @type {Event} */ e) => setFilter(value(e))} /></div>
        ${shown
          .filter((one) => one.handlers.length > 0)
          .map(
            (one) => html`<div key=${one.name} class="handler-group">
              <h2>${visible(one.name)} <span class="tag">${one.kind}</span></h2>
              <ul>
                ${one.handlers.map(
                  (each) => html`<li key=${each.name}>
                    <a
                      href=${href(["try"], { service: one.name, handler: each.name, key: one.kind === "service" ? null : params.key })}
                      aria-current=${one.name === service.name && each === handlerOf(one, handler) ? "true" : undefined}
                      >${visible(each.name)}${each.mode === "shared" ? html` <span class="faint">reads</span>` : each.mode === "update" ? html` <span class="faint">updates the run</span>` : null}</a
                    >
                  </li>`,
                )}
              </ul>
            </div>`,
          )}
        ${shown.every((one) => one.handlers.length === 0) ? html`<p class="faint body">No handler name contains this text.</p>` : null}
      </nav>
      ${handler
        ? html`<${Form} key=${`${service.name}/${handler.name}`} service=${service} handler=${handler} objectKey=${params.key ?? ""} />`
        : html`<${Empty} title="It has no handlers"><p>A handler is an async method with <span class="mono">@handler</span>. Private ones cannot be called here.</p><//>`}
    </div>
  </div>`;
}

/** @param {Service} service @param {Handler | undefined} handler */
function handlerOf(service, handler) {
  return service.handlers.find((one) => one.name === handler?.name);
}

/** @param {{ service: Service, handler: Handler, objectKey: string }} props */
function Form({ service, handler, objectKey }) {
  const names = Object.keys(handler.parameters);
  const isKeyed = service.kind !== "service";
  const [given, setGiven] = useState(/** @type {Record<string, any>} */ (Object.fromEntries(handler.required.map((name) => [name, beginningOf(handler.parameters[name])]))));
  const [idempotencyKey, setIdempotencyKey] = useState("");
  const [delay, setDelay] = useState("");
  const [outcome, setOutcome] = useState(/** @type {Outcome | null} */ (null));
  const [waiting, setWaiting] = useState(/** @type {{ did: "call" | "send", since: number } | null} */ (null));
  const abort = useRef(/** @type {AbortController | null} */ (null));
  const asked = useRef(/** @type {"call" | "send"} */ ("call"));
  useEffect(() => () => abort.current?.abort(), []);

  // An object that names them, even if there is only one: that is never ambiguous.
  const body = names.length === 0 ? undefined : Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]]));
  const place = isKeyed ? pathOf(service.name, objectKey, handler.name) : pathOf(service.name, handler.name);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    const did = asked.current;
    const own = (abort.current = new AbortController());
    const since = performance.now();
    setWaiting({ did, since });
    setOutcome(null);
    /** @type {Record<string, string>} */
    const headers = idempotencyKey ? { "idempotency-key": idempotencyKey } : {};
    const seconds = () => (performance.now() - since) / 1000;
    try {
      const response = await send("POST", did === "send" ? `${place}/send` : place, {
        body,
        headers,
        query: did === "send" ? { delay } : {},
        abort: own.signal,
      });
      const answer = await response.text();
      const read = answer ? parseJson(answer) : null;
      setOutcome(
        did === "send"
          ? { did, seconds: seconds(), invocation: read.invocationId, isNew: read.status === "Accepted" }
          : { did, seconds: seconds(), invocation: response.headers.get(ID_HEADER), value: read },
      );
    } catch (error) {
      if (own.signal.aborted) return;
      setOutcome({ did, seconds: seconds(), invocation: error instanceof Problem ? error.invocation : null, error });
    } finally {
      if (abort.current === own) setWaiting(null);
    }
  }

  const mayCall = may("control");
  return html`<div class="page">
    <${Section}
      title=${`${visible(service.name)}/${isKeyed ? "…/" : ""}${visible(handler.name)}`}
      extra=${html`<span class="tag">${handler.mode}</span>`}
    >
      <form class="body try-form" onSubmit=${submit}>
        ${handler.doc ? html`<p>${visible(handler.doc)}</p>` : service.doc ? html`<p class="faint">${visible(service.doc)}</p>` : null}
        ${isKeyed
          ? html`<${Field} label="Key" hint=${objectKey ? html`<a href=${href(["objects", service.name, objectKey])}>open the object</a>` : "The object to call; it is created by its first call."}>
              <input required maxlength="1024" spellcheck=${false} value=${objectKey} onInput=${(/** @type {Event} */ e) => setParams({ key: value(e), service: service.name, handler: handler.name })} />
            <//>`
          : null}
        ${names.length === 0 ? html`<p class="faint">No parameters.</p>` : null}
        ${names.map((name) => {
          const isRequired = handler.required.includes(name);
          const isGiven = name in given;
          return html`<div key=${name} class="parameter">
            ${isGiven
              ? html`<${SchemaForm}
                  schema=${handler.parameters[name]}
                  label=${visible(name)}
                  isFirst=${false}
                  value=${given[name]}
                  onChange=${(/** @type {unknown} */ now) => setGiven((all) => ({ ...all, [name]: now }))}
                />`
              : null}
            ${isRequired
              ? null
              : html`<label class="check"
                  ><input
                    type="checkbox"
                    checked=${isGiven}
                    onChange=${() => {
                      const { [name]: left, ...others } = given;
                      setGiven(isGiven ? others : { ...given, [name]: beginningOf(handler.parameters[name]) });
                    }}
                  />
                  give <b class="mono">${visible(name)}</b> <span class="faint">${isGiven ? "" : "(has a default)"}</span></label
                >`}
          </div>`;
        })}
        <details>
          <summary>Idempotency key, delay</summary>
          <${Field} label="Idempotency key" hint="Asking again under the same key finds the same invocation, and starts nothing.">
            <input maxlength="256" spellcheck=${false} value=${idempotencyKey} onInput=${(/** @type {Event} */ e) => setIdempotencyKey(value(e))} />
          <//>
          <${Field} label="Delay" hint="Only for Send: 10s, 500ms, 2h or PT10S.">
            <input maxlength="64" spellcheck=${false} placeholder="none" value=${delay} onInput=${(/** @type {Event} */ e) => setDelay(value(e))} />
          <//>
        </details>
        ${mayCall
          ? html`<div class="actions">
              <button type="submit" class="primary" disabled=${waiting !== null} onClick=${() => (asked.current = "call")}>Call and wait</button>
              <button type="submit" disabled=${waiting !== null} onClick=${() => (asked.current = "send")}>${delay ? `Send, in ${delay}` : "Send"}</button>
              ${waiting
                ? html`<button
                    type="button"
                    onClick=${() => {
                      abort.current?.abort();
                      setWaiting(null);
                    }}
                  >
                    Stop waiting
                  </button>`
                : null}
              <${Copy} text=${asCurl({ service: service.name, key: isKeyed ? objectKey : null, handler: handler.name }, body)} label="copy as curl" />
            </div>`
          : html`<p class="notice">Calling handlers here needs a token with the scope control. Yours has the scope read.</p>`}
      </form>
    <//>
    ${waiting ? html`<p class="loading" role="status">${waiting.did === "call" ? "It is running; the result appears here when it ends. If you stop waiting, it continues." : "Sending…"}</p>` : null}
    ${outcome ? html`<${Became} outcome=${outcome} />` : null}
  </div>`;
}

/** @param {{ outcome: Outcome }} props */
function Became({ outcome }) {
  const { did, error, invocation, seconds } = outcome;
  const ended = error instanceof Problem ? error.outcome : null;
  const title = error ? (ended ? `It has ${ended === "failed" ? "failed" : `been ${ended}`}` : "It was refused") : did === "call" ? "Its result" : "Accepted and durable";
  return html`<${Section} title=${title} extra=${html`<span class="num">${length(seconds)}</span>`}>
    <div class="body" role="status">
      ${invocation
        ? html`<p class="became-link"><a class="button" href=${href(["invocations", invocation])}>Open the invocation</a> <${InvocationLink} id=${invocation} /> <${Copy} text=${invocation} /></p>`
        : null}
      ${outcome.isNew === false ? html`<p class="notice">It was already sent with this idempotency key; this is the same invocation.</p>` : null}
      ${error
        ? html`<${ErrorBox} error=${error} />${error instanceof Problem && error.path ? html`<p class="faint">At <span class="mono">${visible(error.path)}</span></p>` : null}`
        : did === "call"
          ? html`<${Json} value=${outcome.value} label="result" />`
          : null}
    </div>
  <//>`;
}
