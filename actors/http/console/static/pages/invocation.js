import { html } from "../lib/html.js";
import { Empty } from "../ui/bits.js";

export function Invocation() {
  return html`<${Empty} title="Invocation" />`;
}
