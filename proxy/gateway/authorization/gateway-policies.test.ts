import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import type { AuthorizationPolicyRules } from "../../../mesh/policy/authorization/authorization.ts";
import { NO_AUTHORIZATION } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { NO_TOKEN_EDITS } from "../../http/authentication/token-edits.ts";
import { requestOf } from "../../http/exchange/exchange-fixture.ts";
import { prepareRequest } from "../requests/prepared-request.ts";
import { GatewayPolicies, type JudgedExchange } from "./gateway-policies.ts";

const DENY_ADMIN = policyOf("DENY", [{ to: [{ paths: ["/admin"] }] }]);

/** Policies with requests in progress, and the requests that were ended for a change of the policies. */
function start(policies: readonly AuthorizationPolicyRules[] = []) {
  const counted: unknown[] = [];
  const judge = new GatewayPolicies({
    meters: { countVerdict: (verdict) => void counted.push(verdict) },
    log: new RecordingLogger(),
    limitLog: () => ({ isGranted: true, heldBack: 0 }),
  });
  const update = (next: readonly AuthorizationPolicyRules[]) =>
    judge.update({ ...NO_AUTHORIZATION, policies: structuredClone(next) });
  update(policies);
  const ended: string[] = [];
  const exchangeOf = (path: string, changes: Partial<JudgedExchange> = {}): JudgedExchange => {
    const settings = NO_AUTHORIZATION;
    const head = requestOf({ method: "GET", authority: "shop.example", path });
    return {
      prepared: prepareRequest(head, { settings, peerIp: "198.51.100.7", requestId: "id-1" }),
      token: undefined,
      edits: NO_TOKEN_EDITS,
      socket: asSocket(new FakeSocket()),
      lifetime: new EventEmitter(),
      guard: { run: (action) => action() },
      onVerdict: () => undefined,
      onDenied: ({ reason }) => void ended.push(`${path} ${reason}`),
      ...changes,
    };
  };
  return { judge, update, ended, exchangeOf, counted };
}

describe("the policies of a gateway", () => {
  it("end the requests in progress that they no longer allow, and no others", () => {
    const { judge, update, ended, exchangeOf } = start();
    for (const path of ["/admin", "/public"]) expect(judge.admit(exchangeOf(path))).toBeUndefined();
    update([DENY_ADMIN]);
    expect(ended).toEqual(["/admin authorization_denied"]);
  });

  it("leave a request alone that is over", () => {
    const { judge, update, ended, exchangeOf } = start();
    const lifetime = new EventEmitter();
    judge.admit(exchangeOf("/admin", { lifetime }));
    lifetime.emit("close");
    update([DENY_ADMIN]);
    expect(ended).toEqual([]);
  });

  it("never hold a request that was denied from the start", () => {
    const { judge, update, ended, exchangeOf } = start([DENY_ADMIN]);
    expect(judge.admit(exchangeOf("/admin"))).toMatchObject({ status: 403, reason: "authorization_denied" });
    update([]);
    update([DENY_ADMIN]);
    expect(ended).toEqual([]);
  });

  it("judge nothing again when a message repeats them", () => {
    const { judge, update, exchangeOf, counted } = start([policyOf("ALLOW", [{}])]);
    judge.admit(exchangeOf("/admin"));
    update([policyOf("ALLOW", [{}])]);
    expect(counted).toHaveLength(1);
  });

  it("end a request that cannot be judged, and still judge the others", () => {
    const { judge, update, ended, exchangeOf } = start();
    const cut: unknown[] = [];
    const run = (action: () => void): void => {
      try {
        action();
      } catch (caught) {
        cut.push(caught);
      }
    };
    const broken = exchangeOf("/broken", {
      guard: { run },
      onDenied: () => {
        throw new Error("a fault");
      },
    });
    judge.admit(broken);
    judge.admit(exchangeOf("/admin"));
    update([policyOf("DENY", [{}])]);
    expect(cut).toHaveLength(1);
    expect(ended).toEqual(["/admin authorization_denied"]);
  });
});
