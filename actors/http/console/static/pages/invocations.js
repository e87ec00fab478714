import { html } from "../lib/html.js";
import { Empty } from "../ui/bits.js";

export function Invocations() {
  return html`<${Empty} title="Invocations" />`;
}
