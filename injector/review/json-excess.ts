/** An API server itself refuses JSON of more levels than 10,000; no kind of object that is reviewed has 100. */
const MAX_DEPTH = 500;
/** An object of 1.5 MB, the most that etcd stores, has no more: 750,000 of `1,`. */
const MAX_VALUES = 800_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Whether a JSON text would be expensive to read: it is 100 times as fast to count its values as to parse and check 8 MB
 * of `{},{},…`, for which everybody else would have to wait.
 * @returns what is too much, or undefined
 */
export function findJsonExcess(text: string): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(text, at);
    } else if (char === COMMA) {
      values += 1;
    } else if (isOpening(char)) {
      values += 1;
      depth += 1;
      if (depth > MAX_DEPTH) return `the body has more than ${MAX_DEPTH} levels`;
    } else if (isClosing(char)) {
      depth -= 1;
    }
    if (values > MAX_VALUES) return `the body has more than ${MAX_VALUES} values`;
  }
  return undefined;
}

/** @returns where the string ends that begins at `start`; the text's end if it does not */
function endOfString(text: string, start: number): number {
  for (let from = start + 1; ; ) {
    const end = text.indexOf('"', from);
    if (end < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
    from = end + 1;
  }
}

/** `[` and `{`, which differ by 0x20 as letters of two cases do. */
function isOpening(char: number): boolean {
  return (char | 0x20) === 0x7b;
}

/** `]` and `}`. */
function isClosing(char: number): boolean {
  return (char | 0x20) === 0x7d;
}
