import { describe, expect, it } from "vitest";
import { settlePromises } from "../mesh/fake-clock-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../mesh/recording-logger-fixture.ts";
import { createResourceSet } from "../mesh/resources/resource-set.ts";
import { type MeshView, type StreamResponse, Subscriptions, shareResponses } from "./subscriptions.ts";

const set = createResourceSet([]);

/** Streams whose response is the joined roots. */
function setup(): {
  readonly log: RecordingLogger;
  readonly subscriptions: Subscriptions;
  readonly change: (root: string) => void;
  readonly open: (evaluate: (view: MeshView) => StreamResponse<string>) => { received: string[]; close: () => void };
} {
  const log = new RecordingLogger();
  let roots = ["one"];
  const subscriptions = new Subscriptions({ log, limitLog: unlimitedLog, view: () => ({ set, roots }) });
  return {
    log,
    subscriptions,
    change: (root) => {
      roots = [root];
      subscriptions.refresh();
    },
    open: (evaluate) => {
      const received: string[] = [];
      const close = subscriptions.add<string>({
        evaluate: (view) => ({ kind: "response", response: evaluate(view) }),
        onResponse: ({ message }) => received.push(message),
        onDenied: () => undefined,
      });
      return { received, close };
    },
  };
}

function responseOf(view: MeshView): StreamResponse<string> {
  const message = view.roots.join();
  return { message, digest: message, bytes: message.length };
}

describe("Subscriptions", () => {
  it("decides once per pass for all streams with the same request", async () => {
    const { open, change } = setup();
    const share = shareResponses<string>();
    let decisions = 0;
    const evaluate = (view: MeshView): StreamResponse<string> =>
      share(view, "key", () => {
        decisions += 1;
        return responseOf(view);
      });
    const streams = Array.from({ length: 500 }, () => open(evaluate));
    decisions = 0;
    change("two");
    await settlePromises();
    await settlePromises();
    await settlePromises();
    expect(decisions).toBe(1);
    expect(streams.every(({ received }) => received.join() === "one,two")).toBe(true);
  });

  it("decides once for streams that are opened one after another, until something changes", () => {
    const { open, change } = setup();
    const share = shareResponses<string>();
    let decisions = 0;
    const evaluate = (view: MeshView): StreamResponse<string> =>
      share(view, "key", () => {
        decisions += 1;
        return responseOf(view);
      });
    for (let count = 0; count < 10; count += 1) open(evaluate);
    expect(decisions).toBe(1);
    change("two");
    expect(open(evaluate).received).toEqual(["two"]);
  });

  it("does not cache responses that are not worth it, nor more than a bounded number", () => {
    const view: MeshView = { set, roots: [] };
    const decided: string[] = [];
    const decide = (key: string) => () => {
      decided.push(key);
      return { message: key, digest: key, bytes: 1 };
    };
    const share = shareResponses<string>((message) => message !== "outside");
    share(view, "1", decide("outside"));
    share(view, "1", decide("outside"));
    expect(decided).toEqual(["outside", "outside"]);
    for (let key = 0; key < 5000; key += 1) share(view, `${key}`, decide(`${key}`));
    decided.length = 0;
    share(view, "4999", decide("4999"));
    share(view, "0", decide("0"));
    expect(decided).toEqual(["0"]);
  });

  it("yields to other work in a long pass, and sends each stream the newest state last", async () => {
    const { open, change } = setup();
    const streams = Array.from({ length: 500 }, () => open(responseOf));
    change("two");
    const receivedTwo = streams.filter(({ received }) => received.includes("two")).length;
    expect(receivedTwo).toBeGreaterThan(0);
    expect(receivedTwo).toBeLessThan(500);
    change("three");
    const late = open(responseOf);
    for (let turn = 0; turn < 6; turn += 1) await settlePromises();
    expect(streams.every(({ received }) => received.at(-1) === "three")).toBe(true);
    expect(late.received).toEqual(["three"]);
  });

  it("keeps other streams up to date when one decision fails, and that stream keeps its last response", async () => {
    const { open, change, log } = setup();
    let isBroken = false;
    const broken = open((view) => {
      if (isBroken) throw new Error("no such thing");
      return responseOf(view);
    });
    const other = open(responseOf);
    isBroken = true;
    change("two");
    await settlePromises();
    expect(other.received).toEqual(["one", "two"]);
    expect(broken.received).toEqual(["one"]);
    expect(log.find("no such thing")).toHaveLength(1);
  });

  it("drops streams that are closed", async () => {
    const { open, change, subscriptions } = setup();
    const { received, close } = open(responseOf);
    close();
    change("two");
    await settlePromises();
    expect(received).toEqual(["one"]);
    expect(subscriptions.size).toBe(0);
  });

  it("keeps the last responses when the mesh cannot be evaluated, and continues with the next change", async () => {
    const log = new RecordingLogger();
    const roots = ["one", "broken", "two"];
    const subscriptions = new Subscriptions({
      ...{ log, limitLog: unlimitedLog },
      view: () => {
        const [root = ""] = roots.splice(0, 1);
        if (root === "broken") throw new Error("broken");
        return { set, roots: [root] };
      },
    });
    const received: string[] = [];
    subscriptions.add<string>({
      evaluate: (view) => ({ kind: "response", response: responseOf(view) }),
      onResponse: ({ message }) => received.push(message),
      onDenied: () => undefined,
    });
    subscriptions.refresh();
    await settlePromises();
    subscriptions.refresh();
    await settlePromises();
    expect(received).toEqual(["one", "two"]);
    expect(log.records).toHaveLength(1);
  });
});
