import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { awaitFirstSpeaker } from "./await-first-speaker.ts";
import { asSocket, FakeSocket } from "./fake-socket-fixture.ts";
import { type PeekOptions, peekBytes } from "./peek-bytes.ts";

/** Decides at the fourth byte. */
function judgeFour(bytes: Buffer): string | undefined {
  return bytes.length < 4 ? undefined : bytes.toString("latin1", 0, 4);
}

function peek(options: Partial<PeekOptions> = {}) {
  const clock = new FakeClock();
  const fake = new FakeSocket();
  return { clock, fake, peeked: peekBytes(asSocket(fake), judgeFour, { clock, ...options }) };
}

function heldBy(fake: FakeSocket): string {
  const held: unknown = fake.read();
  return Buffer.isBuffer(held) ? held.toString("latin1") : "";
}

describe("the first bytes of a socket", () => {
  it.each([
    { name: "at once", pieces: ["abcdef"], verdict: "abcd", held: "abcdef" },
    { name: "a byte at a time", pieces: ["a", "b", "c", "d"], verdict: "abcd", held: "abcd" },
    { name: "in two pieces, the second with more", pieces: ["abc", "defgh"], verdict: "abcd", held: "abcdefgh" },
  ])("are judged and put back when they come $name", async ({ pieces, verdict, held }) => {
    const { fake, peeked, clock } = peek({ silenceMs: 100, verdictMs: 100 });
    for (const piece of pieces) {
      fake.push(piece);
      await settlePromises();
    }
    expect(await peeked).toEqual({ kind: "judged", verdict });
    expect(heldBy(fake)).toBe(held);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are judged after another peek has put them back", async () => {
    const { fake, peeked } = peek();
    fake.push("abcd");
    await peeked;
    expect(await peekBytes(asSocket(fake), judgeFour, { clock: new FakeClock() })).toEqual({
      kind: "judged",
      verdict: "abcd",
    });
    expect(heldBy(fake)).toBe("abcd");
  });

  it("are judged if they had arrived when the time was over", async () => {
    const fake = new FakeSocket();
    let timeIsOver = (): void => undefined;
    const setTimeout = (action: () => void) => {
      timeIsOver = action;
      return { cancel: () => undefined };
    };
    const peeked = peekBytes(asSocket(fake), judgeFour, { clock: { ...systemClock, setTimeout }, silenceMs: 100 });
    timeIsOver();
    fake.push("abcd");
    expect(await peeked).toEqual({ kind: "judged", verdict: "abcd" });
  });

  it.each<{ name: string; said: string; options: Partial<PeekOptions>; kind: string }>([
    { name: "nothing is sent", said: "", options: { silenceMs: 100 }, kind: "silent" },
    { name: "too little is sent", said: "abc", options: { silenceMs: 50, verdictMs: 100 }, kind: "undecided" },
  ])("are waited for as long as allowed, when $name", async ({ said, options, kind }) => {
    const { clock, fake, peeked } = peek(options);
    if (said !== "") fake.push(said);
    await clock.advance(100);
    expect(await peeked).toEqual({ kind });
    expect(heldBy(fake)).toBe(said);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are waited for without a limit where there is none", async () => {
    const { clock, fake, peeked } = peek();
    await clock.advance(1e9);
    fake.push("abcd");
    expect(await peeked).toMatchObject({ kind: "judged" });
  });

  it("are returned to the caller when the peer ends its side, because they cannot be put back", async () => {
    const { fake, peeked } = peek();
    fake.push("ab");
    await settlePromises();
    fake.push(null);
    expect(await peeked).toEqual({ kind: "ended", bytes: Buffer.from("ab") });
  });

  it("are discarded with the socket", async () => {
    const { fake, peeked } = peek({ silenceMs: 100, verdictMs: 100 });
    fake.push("ab");
    await settlePromises();
    fake.destroy();
    expect(await peeked).toEqual({ kind: "closed" });
  });

  it("are put back when the caller gives up", async () => {
    const giveUp = new AbortController();
    const { fake, peeked } = peek({ signal: giveUp.signal });
    fake.push("ab");
    await settlePromises();
    giveUp.abort();
    expect(await peeked).toEqual({ kind: "silent" });
    expect(heldBy(fake)).toBe("ab");
  });

  it("leave no listener behind", async () => {
    const { fake, peeked } = peek();
    const names = ["readable", "end", "close"];
    fake.push("abcd");
    await peeked;
    const own = new FakeSocket();
    expect(names.map((name) => fake.listenerCount(name))).toEqual(names.map((name) => own.listenerCount(name)));
  });
});

describe("the side that speaks first", () => {
  function start() {
    const [client, server] = [new FakeSocket(), new FakeSocket()];
    const clock = new FakeClock();
    const first = () =>
      awaitFirstSpeaker(asSocket(server), (signal) => peekBytes(asSocket(client), judgeFour, { clock, signal }));
    return { client, server, first };
  }

  it("is the client, as far as it was understood", async () => {
    const { client, first } = start();
    client.push("abcd");
    expect(await first()).toEqual({ kind: "judged", verdict: "abcd" });
  });

  it("is the server, whose greeting and the client's first bytes stay where they are", async () => {
    const { client, server, first } = start();
    const speaker = first();
    client.push("ab");
    await settlePromises();
    server.push("220 hello");
    expect(await speaker).toBe("application");
    expect([heldBy(server), heldBy(client)]).toEqual(["220 hello", "ab"]);
  });

  it("is a server that spoke before the wait began", async () => {
    const { server, first } = start();
    server.push("220 hello");
    server.read(0);
    await settlePromises();
    expect(await first()).toBe("application");
    expect(heldBy(server)).toBe("220 hello");
  });

  it.each([
    { name: "ends its side", act: (server: FakeSocket) => void server.push(null) },
    { name: "disconnects", act: (server: FakeSocket) => void server.destroy() },
  ])("is a server that $name without sending", async ({ act }) => {
    const { server, first } = start();
    const speaker = first();
    act(server);
    expect(await speaker).toBe("application");
  });
});
