/** For tests: what no HTTP/2 client achieves on any path to an application of any version. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { FIELD_CASES } from "../../http2/conformance/field-cases-fixture.ts";
import { isSmuggled, judgeWireCase } from "../../http2/conformance/judge-wire-case-fixture.ts";
import { MESSAGE_CASES } from "../../http2/conformance/message-cases-fixture.ts";
import { runWireCase, type StreamEnd } from "../../http2/conformance/run-wire-case-fixture.ts";
import {
  data,
  fields,
  getWith,
  postWith,
  pseudoFields,
  type WireCase,
} from "../../http2/conformance/wire-case-fixture.ts";
import type { AttackDoor, OpenDoor } from "./attack-doors-fixture.ts";
import type { AttackOrigin } from "./attack-origin-fixture.ts";

export interface WireAttackPath {
  readonly door: AttackDoor;
  /** The declared protocol of the application's port. */
  readonly protocol: DeclaredProtocol;
  readonly startOrigin: (cleanup: Cleanup) => Promise<AttackOrigin>;
}

/** A client that pauses behind its declared content has its response before it breaks a rule; the rest goes nowhere. */
const COMPLETE_BEFORE_FAULT: ReadonlySet<string> = new Set([
  "H2.CL: a request behind a content-length of 0",
  "H2.CL: a request in a frame behind the declared content",
]);

const CASES = [...FIELD_CASES, ...MESSAGE_CASES];

const SERVED: WireCase["verdict"] = { kind: "accepted", reads: {} };

/** Requests that are served although they claim an identity, which must not arrive. */
const FORGERIES: readonly WireCase[] = [
  getWith("an identity", SERVED, ["x-forwarded-client-cert", "By=forged;URI=forged"]),
  getWith("two identities", SERVED, ["x-forwarded-client-cert", "URI=forged"], ["x-forwarded-client-cert", "forged"]),
  postWith("an identity before content", SERVED, {
    own: [["x-forwarded-client-cert", "URI=forged"]],
    parts: [data("body")],
  }),
  {
    name: "an identity between other fields",
    parts: [fields([...pseudoFields(), ["x-own", "a"], ["x-forwarded-client-cert", "URI=forged"], ["x-other", "b"]])],
    verdict: SERVED,
  },
];

/** Runs all cases, each on a connection of its own, through one running path. */
export function runWireAttackContract({ door, protocol, startOrigin }: WireAttackPath): void {
  const cleanup = new Cleanup();
  let origin: AttackOrigin;
  let open: OpenDoor;
  beforeAll(async () => {
    origin = await startOrigin(cleanup);
    open = await door.start(cleanup, origin.port, protocol);
  });
  afterAll(() => cleanup.run());

  const attack = async (testCase: WireCase, isPaced: boolean): Promise<void> => {
    const before = origin.executed.length;
    const outcome = await runWireCase(open.port, testCase, { isPaced });
    const mayBeServed = isPaced && COMPLETE_BEFORE_FAULT.has(testCase.name) && pathOf(outcome.attack) === "/attack";
    expect(judgeWireCase(mayBeServed ? { ...testCase, verdict: SERVED } : testCase, outcome)).toEqual([]);
    expect(origin.executed.slice(before).filter(isSmuggled)).toEqual([]);
    expect(pathOf(outcome.neighbour)).toBe("/neighbour");
  };

  it.each(CASES)("$name", (testCase) => attack(testCase, false));
  it.each(CASES.filter(({ parts }) => parts.length > 1))("frame by frame: $name", (testCase) => attack(testCase, true));

  it.each(FORGERIES)("$name of the client does not arrive", async (testCase) => {
    const before = origin.executed.length;
    expect(judgeWireCase(testCase, await runWireCase(open.port, testCase))).toEqual([]);
    const [attack] = origin.executed.slice(before);
    const identities = attack?.fields.filter(([name]) => name === "x-forwarded-client-cert") ?? [];
    expect(identities).toHaveLength(door.isVerified ? 1 : 0);
    expect(JSON.stringify(origin.executed.slice(before))).not.toContain("forged");
  });

  it("every request of another client has its own response afterwards", async () => {
    for (let index = 0; index < 3; index += 1) {
      const outcome = await runWireCase(open.port, getWith("sound", SERVED));
      expect([pathOf(outcome.attack), pathOf(outcome.neighbour)]).toEqual(["/attack", "/neighbour"]);
    }
  });
}

/** The path of the request to which this is the response. */
function pathOf(end: StreamEnd): unknown {
  if (end.kind !== "response") return end;
  const echoed: unknown = JSON.parse(end.body);
  return typeof echoed === "object" && echoed !== null && "path" in echoed ? echoed.path : end;
}
