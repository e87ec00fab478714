// Short notes of what was done, read out by screen readers. The place they appear in is in the page from the start.

const SHOWN_MS = 5_000;

/**
 * @param {string} text
 * @param {"good" | "bad"} [mood] bad ones stay until they are dismissed
 */
export function toast(text, mood = "good") {
  const box = document.getElementById("toasts");
  if (!box) return;
  const note = document.createElement("div");
  note.className = `toast ${mood}`;
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain";
  close.textContent = "dismiss";
  close.addEventListener("click", () => note.remove());
  note.append(words, close);
  box.append(note);
  if (mood === "good") setTimeout(() => note.remove(), SHOWN_MS);
}
