import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lendMemory, returnMemory } from "../../connections/memory/read-memory.ts";
import { readOf } from "../../connections/memory/read-memory-fixture.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { HeldBody } from "./held-body.ts";

function textOf(pieces: readonly BodyPiece[]): string {
  return Buffer.concat(pieces.map(({ bytes }) => bytes)).toString("latin1");
}

function pieceOf(text: string): BodyPiece {
  return { bytes: Buffer.from(text), ranges: undefined };
}

function bodyOf(...chunks: readonly string[]): HeldBody {
  const body = new HeldBody();
  for (const chunk of chunks) body.add(pieceOf(chunk));
  return body;
}

describe("a body that waits for its connection", () => {
  it("is returned completely and in order, once", () => {
    const body = bodyOf("one ", "two ", "three");
    expect(textOf(body.takeUnsent())).toBe("one two three");
    expect(body.takeUnsent()).toEqual([]);
  });

  it("is returned as the pieces that arrived, without a copy", () => {
    const piece = pieceOf("content");
    const body = new HeldBody();
    body.add(piece);
    expect(body.takeUnsent()[0]).toBe(piece);
  });

  it("can be sent, whatever its length, because nothing has been sent yet", () => {
    const body = bodyOf("x".repeat(100_000));
    expect(body.isReplayable).toBe(true);
  });

  it("is not kept after sending unless retention is requested", () => {
    const body = bodyOf("sent");
    body.takeUnsent();
    expect(body.isReplayable).toBe(false);
    body.rewind();
    expect(body.takeUnsent()).toEqual([]);
  });

  it("that is empty can be sent again", () => {
    const body = new HeldBody();
    expect(body.takeUnsent()).toEqual([]);
    expect(body.isReplayable).toBe(true);
  });
});

describe("a body that is kept for a retry", () => {
  it("is sent again completely: what was held, what was passed through, what arrived since", () => {
    const body = bodyOf("waited,");
    body.keepUpTo(100);
    body.takeUnsent();
    body.passed(pieceOf("passed,"));
    body.rewind();
    body.add(pieceOf("since"));
    expect(body.isReplayable).toBe(true);
    expect(textOf(body.takeUnsent())).toBe("waited,passed,since");
  });

  it("is not sent twice on one connection", () => {
    const body = new HeldBody();
    body.keepUpTo(100);
    body.passed(pieceOf("passed"));
    expect(body.takeUnsent()).toEqual([]);
  });

  it("is not freed when it is written, but what was too long to keep is", () => {
    const [waited, passed, tooLong] = [10, 20, 30].map((kilobytes) => readOf(Buffer.alloc(kilobytes * 1024, "x")));
    const body = new HeldBody();
    body.keepUpTo(50_000);
    const send = (bytes: Buffer = Buffer.alloc(0), how: "add" | "passed" = "passed"): void => {
      lendMemory(bytes, bytes.length);
      body[how]({ bytes, ranges: undefined });
      body.takeUnsent();
      returnMemory(bytes);
    };
    send(waited, "add");
    send(passed);
    send(tooLong);
    expect([waited?.length, passed?.length, tooLong?.length]).toEqual([10_240, 20_480, 0]);
  });

  it("can be sent again more than once", () => {
    const body = bodyOf("body");
    body.keepUpTo(4);
    const tries = [1, 2, 3].map(() => {
      const sent = textOf(body.takeUnsent());
      body.rewind();
      return sent;
    });
    expect(tries).toEqual(["body", "body", "body"]);
  });

  it.each([
    { name: "as much as may be kept", bytes: 10, isReplayable: true },
    { name: "one byte more", bytes: 11, isReplayable: false },
  ])("of $name: can be sent again: $isReplayable", ({ bytes, isReplayable }) => {
    const waiting = bodyOf("x".repeat(bytes));
    waiting.keepUpTo(10);
    expect(waiting.takeUnsent()).toHaveLength(1);
    expect(waiting.isReplayable).toBe(isReplayable);

    const passing = new HeldBody();
    passing.keepUpTo(10);
    for (let sent = 0; sent < bytes; sent += 1) passing.passed(pieceOf("x"));
    expect(passing.isReplayable).toBe(isReplayable);
  });

  it("is forgotten when its response has begun, and so is what follows", () => {
    const body = bodyOf("x");
    body.keepUpTo(10);
    expect(textOf(body.takeUnsent())).toBe("x");
    body.release();
    body.passed(pieceOf("y"));
    body.rewind();
    expect([body.isReplayable, body.takeUnsent()]).toEqual([false, []]);
  });

  it("is not replayable once it was too long, even if little follows", () => {
    const body = new HeldBody();
    body.keepUpTo(4);
    body.passed(pieceOf("too long"));
    body.passed(pieceOf("x"));
    expect(body.isReplayable).toBe(false);
    body.rewind();
    expect(body.takeUnsent()).toEqual([]);
  });
});

describe("any body", () => {
  it("that is replayable is sent again byte for byte; one that is not has been sent once", () => {
    const chunks = fc.array(
      fc
        .uint8Array({ minLength: 1, maxLength: 8 })
        .map((bytes): BodyPiece => ({ bytes: Buffer.from(bytes), ranges: undefined })),
    );
    fc.assert(
      fc.property(chunks, chunks, fc.nat(60), (waiting, passing, maxBytes) => {
        const body = new HeldBody();
        body.keepUpTo(maxBytes);
        for (const chunk of waiting) body.add(chunk);
        const first = [...body.takeUnsent()];
        for (const chunk of passing) body.passed(chunk);
        const sent = textOf([...first, ...passing]);
        expect(sent).toBe(textOf([...waiting, ...passing]));
        expect(body.isReplayable).toBe(sent.length <= maxBytes);
        body.rewind();
        expect(textOf(body.takeUnsent())).toBe(sent.length <= maxBytes ? sent : "");
      }),
    );
  });
});
