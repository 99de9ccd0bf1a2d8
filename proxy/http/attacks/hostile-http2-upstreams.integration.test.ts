import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { frameResponse } from "../../http1/frame-fixture.ts";
import { judgeResponseCase } from "../../http2/conformance/judge-wire-case-fixture.ts";
import { RESPONSE_CASES } from "../../http2/conformance/response-cases-fixture.ts";
import { runWireCase } from "../../http2/conformance/run-wire-case-fixture.ts";
import { getWith } from "../../http2/conformance/wire-case-fixture.ts";
import { ATTACK_PATH, startWireOrigin, type WireOrigin } from "../../http2/conformance/wire-origin-fixture.ts";
import { ATTACK_DOORS, type OpenDoor } from "./attack-doors-fixture.ts";
import { expectNothingLeft } from "./attack-meter-fixture.ts";

/** A request for the target under which the origin attacks. */
const ATTACK = getWith("the attack", { kind: "accepted", reads: {} });

async function ask(cleanup: Cleanup, port: number, path: string): Promise<string> {
  const client = await dialRaw(cleanup, port);
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return await readUntilClosed(client);
}

/** The lengths of the contents of the complete responses that an HTTP/1.1 client reads. */
function completeContents(answer: string): readonly number[] {
  return frameResponse([Buffer.from(answer, "latin1")], { method: "GET", hasUpgrade: false }, false).contents;
}

/** A server that goes on behind its declared content has responded before; what follows goes nowhere. */
const COMPLETE_BEFORE_FAULT: Readonly<Record<string, number>> = {
  "more content than declared": 4,
  "a response behind a content-length of 0": 0,
};

const DOORS = ATTACK_DOORS.filter(({ name }) => /in plaintext|two/.test(name)).map((door) => ({
  name: door.name,
  door,
}));

describe.each(DOORS)("behind $name", ({ door }) => {
  const cleanup = new Cleanup();
  let origin: WireOrigin;
  let open: OpenDoor;
  beforeAll(async () => {
    origin = await startWireOrigin();
    cleanup.add(() => origin.close());
    open = await door.start(cleanup, origin.port, "http2");
  });
  afterAll(() => cleanup.run());

  it.each(RESPONSE_CASES)("reaches an HTTP/2 client as what it is, or not at all: $name", async (testCase) => {
    origin.attackWith(testCase);
    const outcome = await runWireCase(open.port, ATTACK);
    const complete = COMPLETE_BEFORE_FAULT[testCase.name];
    const isComplete = outcome.attack.kind === "response" && outcome.attack.body.length === complete;
    expect(isComplete ? [] : judgeResponseCase(testCase, outcome)).toEqual([]);
    expect(JSON.stringify(outcome)).not.toContain("hidden");
    expect(outcome.neighbour).toMatchObject({ body: "sound" });
  });

  it.each(RESPONSE_CASES)("reaches an HTTP/1.1 client as what it is, or not at all: $name", async (testCase) => {
    origin.attackWith(testCase);
    const answer = await ask(cleanup, open.port, ATTACK_PATH);
    expect(answer).not.toContain("hidden");
    const contents = completeContents(answer);
    if (testCase.verdict.kind === "accepted") expect(contents.at(-1)).toBe(4);
    else if (!/^HTTP\/1\.1 50[23] /.test(answer)) {
      expect(contents).toEqual(contents.length === 0 ? [] : [COMPLETE_BEFORE_FAULT[testCase.name]]);
    }
    expect(await ask(cleanup, open.port, "/neighbour")).toMatch(/^HTTP\/1\.1 200 [\s\S]*sound/);
  });

  it("leaves nothing behind", async () => {
    origin.destroyConnections();
    await expectNothingLeft(open.sides);
  });
});
