export type TextTest = (value: string) => boolean;

/**
 * Whether a text matches one of some values by Istio's rule: `*` is any text that is not empty, a `*` at the beginning
 * a suffix, else a `*` at the end a prefix, and everything else is compared exactly. So `*a*` is the suffix `a*`, and a
 * `*` inside is a character.
 */
export function compileTexts(values: readonly string[], matchesStar: TextTest = isNotEmpty): TextTest {
  const exact = new Set(values.filter(isExactText));
  const patterns = values.filter((value) => !isExactText(value)).map((value) => compilePattern(value, matchesStar));
  const [pattern] = patterns;
  if (pattern === undefined) return (text) => exact.has(text);
  if (patterns.length === 1 && exact.size === 0) return pattern;
  return (text) => exact.has(text) || patterns.some((matches) => matches(text));
}

/** Whether a value stands for itself alone. */
export function isExactText(value: string): boolean {
  return !value.startsWith("*") && !value.endsWith("*");
}

function compilePattern(value: string, matchesStar: TextTest): TextTest {
  if (value === "*") return matchesStar;
  if (value.startsWith("*")) {
    const suffix = value.slice(1);
    return (text) => text.endsWith(suffix);
  }
  const prefix = value.slice(0, -1);
  return (text) => text.startsWith(prefix);
}

export function isNotEmpty(text: string): boolean {
  return text !== "";
}

/** Whether a text matches one of some values in which each `*` is any text. */
export function compileGlobs(values: readonly string[]): TextTest {
  const exact = new Set(values.filter((value) => !value.includes("*")));
  const globs = values.filter((value) => value.includes("*")).map(compileGlob);
  return (text) => exact.has(text) || globs.some((matches) => matches(text));
}

/** The parts between the stars are found from left to right, each at its first place: no choice is ever revised. */
function compileGlob(value: string): TextTest {
  const parts = value.split("*");
  const prefix = parts[0] ?? "";
  const suffix = parts.at(-1) ?? "";
  const inner = parts.slice(1, -1);
  return (text) => {
    const end = text.length - suffix.length;
    if (end < prefix.length || !text.startsWith(prefix) || !text.endsWith(suffix)) return false;
    let at = prefix.length;
    for (const part of inner) {
      const found = text.indexOf(part, at);
      if (found < 0 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}
