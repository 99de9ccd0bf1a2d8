/** An AbortController that its parent's signal aborts too, until it is unlinked. */
export function linkedAbort(parent: AbortSignal | undefined): {
  readonly stop: AbortController;
  readonly unlink: () => void;
} {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(parent?.reason);
  if (parent?.aborted) onAbort();
  // Not AbortSignal.any: a signal that lives as long as the process would collect its dependants.
  parent?.addEventListener("abort", onAbort, { once: true });
  return { stop, unlink: () => parent?.removeEventListener("abort", onAbort) };
}
