import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import {
  createIssuerKey,
  keySetOf,
  signToken,
  testTokenRule,
} from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { connectClient, listen } from "../../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

interface Race {
  readonly name: string;
  readonly protocol?: DeclaredProtocol;
  readonly bytes: string;
  /** The turns of the event loop at which the policy changes. */
  readonly changes: readonly number[];
  /** How long the proxy may need for what it has begun. */
  readonly settleTurns: number;
  readonly tokenRules?: readonly TokenRule[];
}

const KEY = createIssuerKey("one");
const FIRST_TURNS = Array.from({ length: 25 }, (_, turn) => turn);
const SHORT = { changes: FIRST_TURNS, settleTurns: 10 };

function get(fields = ""): string {
  return `GET /revoked HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
}

const RACES: readonly Race[] = [
  { name: "a request", protocol: "http", bytes: get(), ...SHORT },
  {
    name: "a request whose token is being verified",
    protocol: "http",
    bytes: get(`Authorization: Bearer ${signToken(KEY)}\r\n`),
    changes: [...FIRST_TURNS, 30, 40, 60, 80, 120, 200, 400],
    settleTurns: 500,
    tokenRules: [testTokenRule({ jwks: keySetOf(KEY) })],
  },
  { name: "a stream", protocol: "tcp", bytes: "ping", ...SHORT },
  { name: "a stream on an undeclared port", bytes: "\0ping", ...SHORT },
];

/** What was on its way to the application arrives within these. */
const IN_FLIGHT_TURNS = 3;

/** One client, while whose connection is being opened a policy begins to deny everything. */
async function playUntilDenied(race: Race, after: number) {
  let received = 0;
  const applicationPort = await listen(cleanup, (socket) => {
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
  });
  const { protocol, bytes, settleTurns, tokenRules = [] } = race;
  const side = await startInboundSide(cleanup, {
    ...{ mode: "PERMISSIVE", applicationPort, tokenRules, limits: { silenceMs: 1 } },
    ...(protocol === undefined ? {} : { protocol }),
  });
  const client = connectClient(cleanup, side.port);
  client.write(bytes);
  await turns(after);
  side.setPolicies([policyOf("DENY", [{}])]);
  await turns(IN_FLIGHT_TURNS);
  const before = received;
  await turns(settleTurns);
  client.write(bytes);
  await turns(settleTurns);
  client.destroy();
  return { before, received, denied: side.http.verdicts.filter(({ kind }) => kind === "denied").length };
}

describe("a policy that begins to deny while a connection is being opened", () => {
  it.each(RACES)("lets nothing through from then on, at whichever turn it comes: $name", async (race) => {
    let denied = 0;
    for (const after of race.changes) {
      const played = await playUntilDenied(race, after);
      expect({ after, received: played.received }).toEqual({ after, received: played.before });
      denied += played.denied;
    }
    expect(denied).toBeGreaterThan(0);
  });
});
