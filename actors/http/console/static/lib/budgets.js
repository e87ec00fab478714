// Budgets as texts: amounts are decimals as texts, which numbers would round.

/**
 * How much was spent of each quantity of a budget.
 * @param {Record<string, string> | null} budget @param {Record<string, string>} spent
 */
export function spentOf(budget, spent) {
  return Object.entries(budget ?? {})
    .map(([name, amount]) => `${spent[name] ?? "0"} of ${amount} ${name}`)
    .join(", ");
}

/** Amounts as they are typed. @param {Record<string, string> | null} budget */
export function amountsOf(budget) {
  return Object.entries(budget ?? {})
    .map(([name, amount]) => `${name}=${amount}`)
    .join(", ");
}

/** Amounts from what was typed: "tokens=100000, euros=25". @param {string} text */
export function budgetOrNone(text) {
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return parts.length === 0
    ? null
    : Object.fromEntries(parts.map((part) => [part.split("=")[0].trim(), part.split("=").slice(1).join("=").trim()]));
}
