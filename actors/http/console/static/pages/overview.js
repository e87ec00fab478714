import { html } from "../lib/html.js";
import { Empty } from "../ui/bits.js";

export function Overview() {
  return html`<${Empty} title="Overview" />`;
}
