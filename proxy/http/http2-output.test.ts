import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { asSocket, FakeSocket } from "../connections/fake-socket-fixture.ts";
import { Http2Output } from "./http2-output.ts";

/** An engine with that many streams whose output is the test's. */
class Source {
  activeStreams: number;
  waiting: Buffer[] = [];

  constructor(activeStreams: number) {
    this.activeStreams = activeStreams;
  }

  get hasOutput(): boolean {
    return this.waiting.length > 0;
  }

  takeOutput(): readonly Buffer[] {
    return [Buffer.concat(this.waiting.splice(0))];
  }
}

function startOutput(activeStreams: number) {
  const [socket, source] = [new FakeSocket(), new Source(activeStreams)];
  const output = new Http2Output(asSocket(socket), source, () => undefined);
  const send = (text: string): void => {
    source.waiting.push(Buffer.from(text));
    output.request();
  };
  return { socket, send, output };
}

describe("the output of an HTTP/2 connection", () => {
  it("leaves at once with one active stream", () => {
    const { socket, send } = startOutput(1);
    send("a");
    expect(socket.written).toBe("a");
  });

  it("of several streams leaves as one packet, after the sockets of one poll have been read", async () => {
    const { socket, send } = startOutput(2);
    for (const text of ["a", "b"]) send(text);
    expect(socket.packets).toEqual([]);
    await turn();
    expect(socket.packets.map(String)).toEqual(["ab"]);
  });

  it("of many streams waits for what the next poll brings", async () => {
    const { socket, send } = startOutput(32);
    send("a");
    await turn();
    send("b");
    await turn();
    expect(socket.packets.map(String)).toEqual(["ab"]);
  });

  it("is not written once it is stopped", async () => {
    const { socket, send, output } = startOutput(32);
    send("a");
    output.stop();
    for (let turns = 0; turns < 3; turns += 1) await turn();
    expect(socket.packets).toEqual([]);
  });
});
