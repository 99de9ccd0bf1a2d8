import { RE2JS } from "re2js";

/**
 * Regexes come from configuration and are matched against text from unauthenticated clients. RE2 runs in linear time;
 * the caps limit compilation (compare ISTIO-SECURITY-2026-006) and the constant factor of matching.
 */
const MAX_REGEX_LENGTH = 1024;
const MAX_PROGRAM_SIZE = 1024;

/** Tests whether a complete value matches. */
export type RegexTest = (value: string) => boolean;

export type CompiledRegex =
  | { readonly kind: "compiled"; readonly test: RegexTest }
  | { readonly kind: "invalid"; readonly message: string };

/** Compiles an RE2 expression that must match the complete value, as in Istio. */
export function compileRegex(source: string): CompiledRegex {
  if (source === "") return invalid("the regex is empty");
  if (source.length > MAX_REGEX_LENGTH) {
    return invalid(
      `the regex has ${source.length} characters; at most ${MAX_REGEX_LENGTH} are allowed, use a simpler one`,
    );
  }
  try {
    const regex = RE2JS.compile(source);
    const size = regex.programSize();
    if (size > MAX_PROGRAM_SIZE) {
      return invalid(
        `the regex compiles to ${size} steps; at most ${MAX_PROGRAM_SIZE} are allowed, use smaller repetitions`,
      );
    }
    return { kind: "compiled", test: (value) => regex.testExact(value) };
  } catch (caught) {
    // re2js throws its own syntax error, or a RangeError for deep nesting; both mean that the regex is not usable.
    const detail = caught instanceof Error ? caught.message : String(caught);
    return invalid(`not an RE2 regex: ${detail.slice(0, 200)}`);
  }
}

/** Why a regex cannot be used; undefined if it can. */
export function checkRegex(source: string): string | undefined {
  const compiled = compileRegex(source);
  return compiled.kind === "invalid" ? compiled.message : undefined;
}

function invalid(message: string): CompiledRegex {
  return { kind: "invalid", message };
}
