import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { denialReply } from "../authorization/denial-reply.ts";
import { type FakeUpstream, pieceOf, responseOf, startExchange } from "./exchange-fixture.ts";
import type { ForwardPlan, LocalReplyPlan } from "./request-plan.ts";

const VERDICT = { kind: "denied", ruleId: "none", isAudited: false, dryRun: {} } as const;
const DENIED: LocalReplyPlan = {
  ...{ kind: "local_reply", reply: denialReply(VERDICT), delayMs: undefined, route: "default", authorization: VERDICT },
};
const CALL = { fields: listOf(["content-type", "application/grpc"]) };

/** An exchange that is allowed when it is planned. `deny` changes the policies. */
function start(head: Partial<RequestHead> = {}, plan: Partial<ForwardPlan> = {}, upstream: FakeUpstream = {}) {
  let isDenied = false;
  const judgeAgain = (): LocalReplyPlan | undefined => (isDenied ? DENIED : undefined);
  const started = startExchange(head, { ...plan, judgeAgain }, upstream);
  const deny = (): void => {
    isDenied = true;
    started.exchange.judgeAgain();
  };
  return { ...started, deny };
}

describe("an exchange whose policies have changed", () => {
  it("goes on if it is still allowed", async () => {
    const { exchange, client, streams } = start();
    await settlePromises();
    exchange.judgeAgain();
    expect(client.replies).toEqual([]);
    expect(streams[0].calls).not.toContain("abort cut");
  });

  it("is never dialled if it is denied while its plan is made", async () => {
    const { client, streams, deny, flags } = start({}, {}, { isPlannedLate: true });
    deny();
    await settlePromises();
    expect(client.replies).toMatchObject([{ status: 403, body: "RBAC: access denied" }]);
    expect(streams[0].calls).toEqual([]);
    expect(flags()).toEqual(["403 -"]);
  });

  it("is not sent if it is denied while its connection is dialled", async () => {
    const { client, streams, deny, flags } = start();
    deny();
    await settlePromises();
    expect([client.replies.length, streams[0].calls, flags()]).toEqual([1, ["release"], ["403 -"]]);
  });

  it("is not sent if it is denied while it is delayed", async () => {
    const { clock, client, streams, deny, flags } = start({}, { delayMs: 1000 });
    deny();
    await clock.advance(2000);
    expect([client.replies.length, streams[0].calls, flags()]).toEqual([1, [], ["403 DI"]]);
  });

  it("gets 403 before a response, with the verdict in the log, and its upstream is aborted", async () => {
    const { client, streams, deny, logged } = start();
    await settlePromises();
    deny();
    expect(client.replies).toMatchObject([{ status: 403 }]);
    expect(streams[0].calls.at(-1)).toMatch(/^abort/);
    expect(logged).toMatchObject([{ status: 403, authorization: VERDICT, details: denialReply(VERDICT).details }]);
  });

  it("breaks off after the begin of a response", async () => {
    const { exchange, client, deny, flags, logged } = start();
    await settlePromises();
    exchange.onResponseHead(responseOf());
    exchange.onResponseBody(pieceOf("some"));
    deny();
    expect(client.calls.at(-1)).toBe("abort cut");
    expect(flags()).toEqual(["200 DO"]);
    expect(logged).toMatchObject([{ authorization: VERDICT }]);
  });

  it("ends with PERMISSION_DENIED in trailers, if it is a call of gRPC whose response has begun", async () => {
    const { exchange, client, deny, calls } = start(CALL);
    await settlePromises();
    exchange.onResponseHead(responseOf(200, CALL));
    deny();
    expect(client.calls).toContain("end grpc-status=7");
    expect(calls).toMatchObject([{ status: 200, grpcStatus: 7 }]);
  });

  it("is judged no more when it is over", async () => {
    const { exchange, client, deny } = start();
    await settlePromises();
    exchange.onResponseHead(responseOf(200, { content: { kind: "none" } }));
    exchange.onResponseEnd(undefined);
    deny();
    expect(client.replies).toEqual([]);
  });
});
