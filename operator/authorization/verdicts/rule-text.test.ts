import { describe, expect, it } from "vitest";
import { formatRule } from "./rule-text.ts";

const condition = (key: string, values: readonly string[] = [], notValues: readonly string[] = []) => ({
  key,
  values,
  notValues,
});

describe("a rule in words", () => {
  it.each([
    { name: "an empty rule", rule: {}, text: "everything" },
    {
      name: "alternatives and conjunctions",
      rule: {
        from: [[condition("source.namespace", ["ns1", "ns2"])], [condition("source.principal", ["*/sa/a"])]],
        to: [[condition("request.method", ["GET"]), condition("request.path", ["/a*"], ["/a/secret"])]],
      },
      text: "from namespace ns1 or ns2, or principal */sa/a; to method GET and path /a* but not /a/secret",
    },
    {
      name: "conditions with a name of their own",
      rule: {
        when: [condition("request.headers[x-role]", [], ["guest"]), condition("request.auth.claims[a][b]", ["c"])],
      },
      text: "when header x-role not guest and claim a.b c",
    },
    {
      name: "a long list",
      rule: { to: [[condition("destination.port", ["1", "2", "3", "4", "5", "6"])]] },
      text: "to port 1, 2, 3, 4 or one of 2 more",
    },
    {
      name: "control characters",
      rule: { to: [[condition("request.path", ["/\u001b[2J"])]] },
      text: "to path /\\x1b[2J",
    },
  ])("$name", ({ rule, text }) => {
    expect(formatRule({ from: [], to: [], when: [], ...rule })).toBe(text);
  });
});
