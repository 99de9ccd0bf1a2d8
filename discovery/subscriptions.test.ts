import { describe, expect, it } from "vitest";
import { settlePromises } from "../mesh/fake-clock-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../mesh/recording-logger-fixture.ts";
import { createResourceSet } from "../mesh/resources/resource-set.ts";
import { type Answer, type MeshView, Subscriptions, shareAnswers } from "./subscriptions.ts";

const set = createResourceSet([]);

/** Streams that answer with the roots joined. */
function setup(): {
  readonly log: RecordingLogger;
  readonly subscriptions: Subscriptions;
  readonly change: (root: string) => void;
  readonly open: (evaluate: (view: MeshView) => Answer<string>) => { heard: string[]; close: () => void };
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
      const heard: string[] = [];
      const close = subscriptions.add<string>({
        evaluate: (view) => ({ kind: "answer", answer: evaluate(view) }),
        onAnswer: ({ message }) => heard.push(message),
        onDenied: () => undefined,
      });
      return { heard, close };
    },
  };
}

function answerOf(view: MeshView): Answer<string> {
  const message = view.roots.join();
  return { message, digest: message, bytes: message.length };
}

describe("Subscriptions", () => {
  it("decides once a pass for all streams that ask the same", async () => {
    const { open, change } = setup();
    const share = shareAnswers<string>();
    let decisions = 0;
    const evaluate = (view: MeshView): Answer<string> =>
      share(view, "key", () => {
        decisions += 1;
        return answerOf(view);
      });
    const streams = Array.from({ length: 500 }, () => open(evaluate));
    decisions = 0;
    change("two");
    await settlePromises();
    await settlePromises();
    await settlePromises();
    expect(decisions).toBe(1);
    expect(streams.every(({ heard }) => heard.join() === "one,two")).toBe(true);
  });

  it("decides once for streams that are opened one after the other, until something changes", () => {
    const { open, change } = setup();
    const share = shareAnswers<string>();
    let decisions = 0;
    const evaluate = (view: MeshView): Answer<string> =>
      share(view, "key", () => {
        decisions += 1;
        return answerOf(view);
      });
    for (let count = 0; count < 10; count += 1) open(evaluate);
    expect(decisions).toBe(1);
    change("two");
    expect(open(evaluate).heard).toEqual(["two"]);
  });

  it("does not remember answers that are not worth it, nor more than a bounded number", () => {
    const view: MeshView = { set, roots: [] };
    const decided: string[] = [];
    const decide = (key: string) => () => {
      decided.push(key);
      return { message: key, digest: key, bytes: 1 };
    };
    const share = shareAnswers<string>((message) => message !== "outside");
    share(view, "1", decide("outside"));
    share(view, "1", decide("outside"));
    expect(decided).toEqual(["outside", "outside"]);
    for (let key = 0; key < 5000; key += 1) share(view, `${key}`, decide(`${key}`));
    decided.length = 0;
    share(view, "4999", decide("4999"));
    share(view, "0", decide("0"));
    expect(decided).toEqual(["0"]);
  });

  it("lets others have a turn in a long pass, and sends each stream the newest state last", async () => {
    const { open, change } = setup();
    const streams = Array.from({ length: 500 }, () => open(answerOf));
    change("two");
    const heardTwo = streams.filter(({ heard }) => heard.includes("two")).length;
    expect(heardTwo).toBeGreaterThan(0);
    expect(heardTwo).toBeLessThan(500);
    change("three");
    const late = open(answerOf);
    for (let turn = 0; turn < 6; turn += 1) await settlePromises();
    expect(streams.every(({ heard }) => heard.at(-1) === "three")).toBe(true);
    expect(late.heard).toEqual(["three"]);
  });

  it("keeps the others going when one decision fails, and that stream with its last answer", async () => {
    const { open, change, log } = setup();
    let isBroken = false;
    const broken = open((view) => {
      if (isBroken) throw new Error("no such thing");
      return answerOf(view);
    });
    const other = open(answerOf);
    isBroken = true;
    change("two");
    await settlePromises();
    expect(other.heard).toEqual(["one", "two"]);
    expect(broken.heard).toEqual(["one"]);
    expect(log.find("no such thing")).toHaveLength(1);
  });

  it("forgets streams that are closed", async () => {
    const { open, change, subscriptions } = setup();
    const { heard, close } = open(answerOf);
    close();
    change("two");
    await settlePromises();
    expect(heard).toEqual(["one"]);
    expect(subscriptions.size).toBe(0);
  });
});
