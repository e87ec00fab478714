// What an invocation has emitted, and which pieces of it count.

/**
 * An entry of an output: a piece, or a mark that the pieces of a step so far are void, or final.
 * @typedef {{ kind: "chunk" | "reset" | "kept" | "end", number: number, at: number, step: string, attempt: number, value: unknown }} Chunk
 * @typedef {{ at: number, value: unknown, step: string, attempt: number, isVoid: boolean }} Piece void if its try failed, or was cut off
 *   and begun again
 */

/**
 * @param {Chunk[]} chunks
 * @returns {Piece[]}
 */
export function piecesOf(chunks) {
  /** @type {Piece[]} */
  const pieces = [];
  /** @type {Map<string, Piece[]>} of steps that have not ended */
  const undecided = new Map();
  for (const { kind, at, step, attempt, value } of chunks) {
    if (kind === "chunk") {
      const piece = { at, value, step, attempt, isVoid: false };
      pieces.push(piece);
      if (attempt > 0) undecided.set(step, undecided.get(step) ?? []);
      undecided.get(step)?.push(piece);
    } else {
      for (const piece of undecided.get(step) ?? []) piece.isVoid = kind === "reset";
      undecided.delete(step);
    }
  }
  return pieces;
}
