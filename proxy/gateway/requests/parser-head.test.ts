import { describe, expect, it } from "vitest";
import { SOUND_REQUESTS } from "../../http1/corpus-fixture.ts";
import { LENIENT_REQUESTS } from "../../http1/lenient-corpus-fixture.ts";
import { parseWithNode } from "../../http1/node-parser-fixture.ts";
import { RequestFramer } from "../../http1/request-framer.ts";
import { asksForSwitch, formatParserHead } from "./parser-head.ts";

/** The input of Node's parser for each request, and the length of its content by the framer. */
function prepare(
  bytes: string,
): readonly { readonly text: string; readonly content: number; readonly isSwitch: boolean }[] {
  const framer = new RequestFramer();
  const prepared: { text: string; content: number; isSwitch: boolean }[] = [];
  for (let events = framer.push(Buffer.from(bytes, "latin1")); events.length > 0; events = framer.next()) {
    for (const event of events) {
      const last = prepared.at(-1);
      if (event.kind === "head") {
        prepared.push({ text: formatParserHead(event.head), content: 0, isSwitch: asksForSwitch(event.head) });
      } else if (event.kind === "body" && last !== undefined) last.text += event.bytes.toString("latin1");
      else if (event.kind === "end" && last !== undefined) last.content = event.bodyBytes;
    }
  }
  return prepared;
}

describe("the input of Node's parser instead of a request", () => {
  it.each([...SOUND_REQUESTS, ...LENIENT_REQUESTS])("ends where the framer ends it: $name", ({ bytes, requests }) => {
    const prepared = prepare(bytes);
    expect(prepared).toHaveLength(requests);
    for (const { text, content, isSwitch } of prepared) {
      if (isSwitch) continue;
      expect(parseWithNode(Buffer.from(text, "latin1"), "request")).toMatchObject([
        { url: "/", content, isWhole: true },
      ]);
    }
  });

  it("contains nothing that the client wrote", () => {
    const [prepared] = prepare(
      "PUT /secret?a=b HTTP/1.1\r\nHost: shop.example\r\nCookie: c=d\r\nContent-Length: 2\r\n\r\nhi",
    );
    expect(prepared?.text).toBe("POST / HTTP/1.1\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi");
  });
});
