/** One test of h2spec, as its JUnit report has it. */
export interface SpecResult {
  /** The section, e.g. `http2/5.1`. */
  readonly section: string;
  readonly test: string;
  readonly kind: "passed" | "failed" | "skipped";
}

const TEST_CASE = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g;

/** Reads the JUnit report that h2spec writes. Throws when it has no tests. */
export function parseReport(xml: string): readonly SpecResult[] {
  const results = [...xml.matchAll(TEST_CASE)].map(([, section = "", test = "", content = ""]): SpecResult => {
    const kind = /<(failure|error)/.test(content) ? "failed" : content.includes("<skipped") ? "skipped" : "passed";
    return { section, test: decodeEntities(test), kind };
  });
  if (results.length === 0) throw new Error("the report of h2spec has no tests");
  return results;
}

function decodeEntities(text: string): string {
  return text
    .replaceAll(/&#(?:x([0-9a-f]+)|(\d+));/gi, (_, hex: string | undefined, decimal: string | undefined) =>
      String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
    )
    .replaceAll("&quot;", '"')
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
