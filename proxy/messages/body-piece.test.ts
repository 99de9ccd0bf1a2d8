import { describe, expect, it } from "vitest";
import { contentOf, NO_RANGES } from "./body-piece.ts";

describe("a piece of a body", () => {
  it.each([
    { name: "without chunk framing", text: "abc", ranges: undefined, content: ["abc"] },
    { name: "of chunks", text: "2\r\nok\r\n3\r\n...\r\n", ranges: [3, 5, 10, 13], content: ["ok", "..."] },
    { name: "of framing alone", text: "0\r\n\r\n", ranges: NO_RANGES, content: [] },
    { name: "without a byte", text: "", ranges: undefined, content: [] },
  ])("$name gives its content", ({ text, ranges, content }) => {
    expect(contentOf({ bytes: Buffer.from(text), ranges }).map(String)).toEqual(content);
  });

  it("gives its content as views, without a copy", () => {
    const bytes = Buffer.from("2\r\nok\r\n");
    for (const view of contentOf({ bytes, ranges: [3, 5] })) expect(view.buffer).toBe(bytes.buffer);
    expect(contentOf({ bytes, ranges: undefined })[0]).toBe(bytes);
  });
});
