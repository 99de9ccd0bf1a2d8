/** IANA's registry of HTTP status codes (iana.org/assignments/http-status-codes), as ranges with both ends. */
const REGISTERED: readonly (readonly [first: number, last: number])[] = [
  [100, 104],
  [200, 208],
  [226, 226],
  [300, 305],
  [307, 308],
  [400, 417],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 508],
  [510, 511],
];

const IS_REGISTERED: ReadonlySet<number> = new Set(
  REGISTERED.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index)),
);

/**
 * How a status is counted: itself if registered, else its class, `1` to `9`; 0 if there was no response. An upstream
 * may send any three digits, and each would be a series of its own.
 */
export function countedStatus(status: number): number {
  if (IS_REGISTERED.has(status)) return status;
  return status >= 100 && status < 1000 ? statusClass(status) : 0;
}

/** The first digit. */
export function statusClass(status: number): number {
  return status < 10 ? status : Math.trunc(status / 100);
}

/** `404`; `4xx` for a class. */
export function formatStatus(status: number): string {
  return status > 0 && status < 10 ? `${status}xx` : String(status);
}
