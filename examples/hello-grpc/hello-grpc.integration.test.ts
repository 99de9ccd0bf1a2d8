import { once } from "node:events";
import type { Http2Server } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { callEverySecond, type HelloCaller, openHelloCaller } from "./call-hello.ts";
import { createGreeter, type Greeter, type GreeterSettings } from "./serve-hello.ts";

const greeters: Greeter[] = [];
const callers: HelloCaller[] = [];
afterEach(() => {
  for (const caller of callers.splice(0)) caller.close();
  for (const greeter of greeters.splice(0)) greeter.stop();
});

async function start(settings: GreeterSettings): Promise<string> {
  const greeter = createGreeter(settings);
  greeters.push(greeter);
  greeter.server.listen(0, "127.0.0.1");
  await once(greeter.server, "listening");
  return addressOf(greeter.server);
}

function addressOf(server: Http2Server): string {
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

function open(server: string): HelloCaller {
  const caller = openHelloCaller(server);
  callers.push(caller);
  return caller;
}

describe("hello-grpc", () => {
  it("responds with TEXT and the name, its pod, and the caller as the sidecar names it", async () => {
    const { client } = open(await start({ TEXT: "good day", HOSTNAME: "greeter-1" }));
    const headers = { "x-forwarded-client-cert": "URI=spiffe://x" };
    expect(await client.sayHello({ name: "world" }, { headers })).toMatchObject({
      text: "good day world",
      pod: "greeter-1",
      caller: "URI=spiffe://x",
    });
    expect(await client.sayHello({ name: "world" })).toMatchObject({ caller: "" });
  });

  it("greets each name of a stream when it comes, not when the stream ends", async () => {
    const { client } = open(await start({}));
    const greeted: string[] = [];
    const { promise: isGreeted, resolve } = Promise.withResolvers<void>();
    const names = (async function* () {
      yield { name: "first" };
      await isGreeted;
      yield { name: "second" };
    })();
    for await (const { text } of client.chat(names)) {
      greeted.push(text);
      resolve();
    }
    expect(greeted).toEqual(["hello first", "hello second"]);
  });

  it("finishes the calls in progress when it is stopped, and accepts no others", async () => {
    const server = await start({});
    const { client } = open(server);
    const { promise: isStopped, resolve } = Promise.withResolvers<void>();
    const names = (async function* () {
      yield { name: "before" };
      await isStopped;
      yield { name: "after" };
    })();
    const greeted: string[] = [];
    for await (const { text } of client.chat(names)) {
      greeted.push(text);
      for (const greeter of greeters) greeter.stop();
      resolve();
    }
    expect(greeted).toEqual(["hello before", "hello after"]);
    await expect(open(server).client.sayHello({ name: "late" })).rejects.toThrow(/unavailable/);
  });

  it("the client prints each response with its pod, and a failure in its place", async () => {
    const server = await start({ HOSTNAME: "greeter-1" });
    const lines: string[] = [];
    const done = new AbortController();
    await callEverySecond(server, (line) => lines.push(line) && done.abort(), done.signal);
    const nowhere = new AbortController();
    await callEverySecond("127.0.0.1:1", (line) => lines.push(line) && nowhere.abort(), nowhere.signal);
    expect(lines).toEqual(["hello caller 1 (greeter-1)", expect.stringMatching(/^\[unavailable\]/)]);
  });
});
