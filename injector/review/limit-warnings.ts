import { formatCount } from "../../mesh/format-count.ts";

/** The API server cuts a longer warning, and drops all that exceed the total (AdmissionResponse.warnings). */
const MAX_WARNING_BYTES = 256;
const MAX_WARNINGS_BYTES = 4096;

/** Shortens warnings to what the API server passes on; the last one then gives the number of those that are left out. */
export function limitWarnings(warnings: readonly string[]): readonly string[] {
  const shortened = warnings.map(shorten);
  if (sizeOf(shortened) <= MAX_WARNINGS_BYTES) return shortened;
  const kept: string[] = [];
  for (const warning of shortened) {
    if (sizeOf([...kept, warning]) > MAX_WARNINGS_BYTES - MAX_WARNING_BYTES) break;
    kept.push(warning);
  }
  return [...kept, `${formatCount(shortened.length - kept.length, "more warning is", "more warnings are")} not shown`];
}

function sizeOf(warnings: readonly string[]): number {
  return warnings.reduce((sum, warning) => sum + Buffer.byteLength(warning), 0);
}

function shorten(text: string): string {
  if (Buffer.byteLength(text) <= MAX_WARNING_BYTES) return text;
  let kept = text.slice(0, MAX_WARNING_BYTES);
  while (Buffer.byteLength(kept) > MAX_WARNING_BYTES - 3) kept = kept.slice(0, -1);
  // Half of a surrogate pair is not text.
  return `${/[\uD800-\uDBFF]$/.test(kept) ? kept.slice(0, -1) : kept}…`;
}
