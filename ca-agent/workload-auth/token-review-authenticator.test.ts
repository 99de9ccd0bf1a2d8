import { beforeEach, describe, expect, it } from "vitest";
import type { ReviewObject } from "../../kubernetes/kubernetes-api.ts";
import { acceptedStatus, review } from "./token-fixture.ts";
import { accept, fail, ReviewPlane, refuse } from "./token-review-fixture.ts";

const HOUR_MS = 3_600_000;
let plane: ReviewPlane;
beforeEach(() => {
  plane = new ReviewPlane();
});

describe("a token", () => {
  it("is shown to the API with the audience", async () => {
    const token = plane.token();
    expect(await plane.ask(token)).toMatchObject({ kind: "authenticated" });
    expect(plane.asked.map(({ spec }) => spec)).toEqual([{ token, audiences: ["istio-ca"] }]);
  });

  it.each([
    { name: "of another audience", token: () => plane.token({ aud: ["api"] }) },
    { name: "that expired long ago", token: () => plane.token({ exp: plane.clock.now() / 1000 - 86_400 }) },
    { name: "that is garbage", token: () => "garbage" },
    { name: "that no pod has", token: () => plane.token({ "kubernetes.io": undefined }) },
  ])("$name costs the API nothing", async ({ token }) => {
    expect((await plane.ask(token())).kind).toBe("refused");
    expect(plane.asked).toEqual([]);
  });

  it("that the API refuses is refused, and asked about again at once: a new pod may just not be known yet", async () => {
    const token = plane.token();
    plane.respond = refuse;
    expect(await plane.ask(token)).toMatchObject({ kind: "refused", reason: "refused_by_the_api" });
    plane.respond = accept;
    expect((await plane.ask(token)).kind).toBe("authenticated");
  });
});

describe("an accepted token", () => {
  it("is not asked about again for five seconds, then it is: a deleted pod's token ends", async () => {
    const token = plane.token();
    await plane.ask(token);
    plane.respond = refuse;
    await plane.clock.advance(4999);
    expect((await plane.ask(token)).kind).toBe("authenticated");
    expect(plane.asked).toHaveLength(1);
    await plane.clock.advance(1);
    expect((await plane.ask(token)).kind).toBe("refused");
  });

  it("is remembered no longer than it lives", async () => {
    const token = plane.token({ exp: plane.clock.now() / 1000 + 2 });
    await plane.ask(token);
    plane.respond = refuse;
    await plane.clock.advance(2000);
    expect((await plane.ask(token)).kind).toBe("refused");
  });

  it("is not remembered at all once it has ended by our clock", async () => {
    const token = plane.token({ exp: plane.clock.now() / 1000 - 1 });
    await plane.ask(token);
    await plane.ask(token);
    expect(plane.asked).toHaveLength(2);
  });

  it("is remembered by elapsed time, also when the wall clock is set back", async () => {
    const token = plane.token();
    await plane.ask(token);
    plane.clock.jump(-HOUR_MS);
    await plane.clock.advance(5000);
    plane.respond = refuse;
    expect((await plane.ask(token)).kind).toBe("refused");
  });

  it("says nothing about another token of the same pod", async () => {
    await plane.ask(plane.token());
    plane.respond = refuse;
    expect((await plane.ask(plane.token({ jti: "2" }))).kind).toBe("refused");
  });
});

describe("equal tokens at the same time", () => {
  it("cost one question", async () => {
    const token = plane.token();
    const verdicts = await Promise.all(Array.from({ length: 20 }, (_, index) => plane.ask(token, `10.0.0.${index}`)));
    expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(["authenticated"]));
    expect(plane.asked).toHaveLength(1);
  });

  it("that differ are asked about separately", async () => {
    await Promise.all([plane.ask(plane.token({ jti: "1" })), plane.ask(plane.token({ jti: "2" }))]);
    expect(plane.asked).toHaveLength(2);
  });
});

describe("while the API does not answer", () => {
  it.each([
    { name: "an error", respond: fail(), message: "api_refused" },
    { name: "missing rights", respond: fail({ status: 403, reason: "Forbidden" }), message: "create tokenreviews" },
    { name: "garbage", respond: async () => review("garbage"), message: "has no status" },
  ])("with $name the caller may retry, and the reason is said", async ({ respond, message }) => {
    plane.respond = respond;
    const verdict = await plane.ask();
    expect(verdict).toMatchObject({
      kind: "unavailable",
      reason: "api_failed",
      message: expect.stringContaining(message),
    });
  });

  it("a caller waits four seconds, and its retry finds what a slow API has said meanwhile", async () => {
    const answer = Promise.withResolvers<ReviewObject>();
    plane.respond = () => answer.promise;
    const token = plane.token();
    const first = plane.ask(token);
    await plane.clock.advance(4000);
    expect(await first).toMatchObject({ kind: "unavailable", reason: "api_slow" });
    const second = plane.ask(token);
    await plane.clock.advance(2000);
    answer.resolve(acceptedStatus());
    expect((await second).kind).toBe("authenticated");
    expect(plane.asked).toHaveLength(1);
  });

  it("a question ends after 20 seconds, and its call is aborted", async () => {
    plane.respond = () => new Promise(() => undefined);
    const token = plane.token();
    void plane.ask(token);
    await plane.clock.advance(20_000);
    expect(plane.asked[0]?.options.signal?.aborted).toBe(true);
    plane.respond = accept;
    expect((await plane.ask(token)).kind).toBe("authenticated");
  });

  it("because it asks for a pause, it gets one, of at most 30 seconds", async () => {
    plane.respond = fail({ status: 429, reason: "TooManyRequests", retryAfterMs: 600_000 });
    await plane.ask();
    plane.respond = accept;
    await plane.clock.advance(29_999);
    expect((await plane.ask()).kind).toBe("unavailable");
    expect(plane.asked).toHaveLength(1);
    await plane.clock.advance(1);
    expect((await plane.ask()).kind).toBe("authenticated");
  });
});

describe("a clock that is an hour off", () => {
  it("does not refuse what the API accepts; ahead, the log says by what it shows", async () => {
    const token = plane.token({ exp: plane.clock.now() / 1000 + 60 });
    plane.clock.jump(HOUR_MS);
    expect((await plane.ask(token)).kind).toBe("authenticated");
    expect(plane.log.find("clock_skew")[0]?.message).toContain("is ahead: it is 2030-01-01T01:00:00.000Z");
  });

  it("does not refuse what the API accepts; behind, the log says by what it shows", async () => {
    const token = plane.token();
    plane.clock.jump(-HOUR_MS);
    expect((await plane.ask(token)).kind).toBe("authenticated");
    expect(plane.log.find("clock_skew")[0]?.message).toContain("is behind");
    expect(plane.log.find("clock_skew")[0]?.message).toContain("2030-01-01T00:00:00.000Z");
  });

  it("that is right is not reported", async () => {
    await plane.ask();
    expect(plane.log.records).toEqual([]);
  });
});

it("each outcome is counted, but not what was never worth a question", async () => {
  const token = plane.token();
  await plane.ask("garbage");
  await plane.ask(token);
  await plane.ask(token);
  plane.respond = refuse;
  await plane.ask(plane.token({ jti: "2" }));
  plane.respond = fail();
  await plane.ask(plane.token({ jti: "3" }));
  expect(plane.outcomes).toEqual(["authenticated", "remembered", "refused", "api_failed"]);
});

it("neither a log line nor a verdict contains the token", async () => {
  const token = plane.token();
  plane.respond = refuse;
  const verdict = await plane.ask(token);
  expect(JSON.stringify([verdict, plane.log.records])).not.toContain(token.slice(-30));
});
