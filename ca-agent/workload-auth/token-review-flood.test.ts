import { beforeEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { acceptedExtra, acceptedStatus, acceptedUser } from "./token-fixture.ts";
import { accept, ReviewPlane, refuse } from "./token-review-fixture.ts";

let plane: ReviewPlane;
beforeEach(() => {
  plane = new ReviewPlane();
});

describe("a flood of forged tokens", () => {
  it("of one address is cut off, and another address is served", async () => {
    plane.respond = refuse;
    const forge = (index: number) => plane.ask(plane.token({ jti: `${index}` }), "10.6.6.6");
    const verdicts = [];
    for (let index = 0; index < 500; index += 1) verdicts.push(await forge(index));
    expect(plane.asked).toHaveLength(120);
    expect(verdicts.at(-1)).toMatchObject({ kind: "unavailable", reason: "too_many_reviews" });
    plane.respond = accept;
    expect((await plane.ask()).kind).toBe("authenticated");
    plane.respond = refuse;
    await plane.clock.advance(1000);
    for (let index = 500; index < 600; index += 1) await forge(index);
    expect(plane.asked).toHaveLength(120 + 1 + 5);
  });

  it("gets no more when the tokens of many pods at its address are accepted, and those do not count", async () => {
    plane.respond = async (token) => {
      const { jti, "kubernetes.io": bound } = JSON.parse(
        Buffer.from(token.split(".")[1] ?? "", "base64url").toString(),
      );
      if (jti !== undefined) return await refuse(token);
      const { name, uid } = bound.pod;
      const [podName, podUid] = ["pod-name", "pod-uid"].map((what) => `authentication.kubernetes.io/${what}`);
      if (podName === undefined || podUid === undefined) throw new TypeError();
      return acceptedStatus({ user: acceptedUser({ extra: acceptedExtra({ [podName]: [name], [podUid]: [uid] }) }) });
    };
    const serviceaccount = { name: "hello", uid: "sa-uid" };
    let accepted = 0;
    let forged = 0;
    for (let index = 0; index < 1000; index += 1) {
      const pod = { name: `hello-${index}`, uid: `uid-${index}` };
      const token = plane.token({ "kubernetes.io": { namespace: "ns1", serviceaccount, pod } });
      if ((await plane.ask(token)).kind === "authenticated") accepted += 1;
      // A tenth of the address's share, so that it does not end before the pods have started.
      if (index % 10 === 0 && (await plane.ask(plane.token({ jti: `${index}` }))).kind === "refused") forged += 1;
    }
    expect([accepted, forged]).toEqual([1000, 100]);
    for (let index = 0; index < 100; index += 1) await plane.ask(plane.token({ jti: `later ${index}` }));
    expect(plane.asked).toHaveLength(1000 + 120);
  });

  it("of one pod, each of which is accepted, is cut off too", async () => {
    for (let index = 0; index < 500; index += 1) await plane.ask(plane.token({ nbf: index }));
    expect(plane.asked).toHaveLength(120 + 10);
  });

  it("while the API is slow leaves room for another address", async () => {
    plane = new ReviewPlane({ maxRunning: 2, maxWaiting: 10, maxOfCaller: 5 });
    const answers: (() => void)[] = [];
    plane.respond = () => new Promise((resolve) => answers.push(() => resolve(acceptedStatus())));
    const floods = Array.from({ length: 50 }, (_, index) => plane.ask(plane.token({ jti: `${index}` }), "10.6.6.6"));
    const good = plane.ask();
    await settlePromises();
    expect(plane.asked).toHaveLength(2);
    for (let round = 0; round < 6; round += 1) {
      for (const answer of answers.splice(0)) answer();
      await settlePromises();
    }
    expect((await good).kind).toBe("authenticated");
    const kinds = (await Promise.all(floods)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "unavailable")).toHaveLength(45);
  });

  it("of many addresses is bounded together", async () => {
    plane = new ReviewPlane({ maxRunning: 2, maxWaiting: 10 });
    plane.respond = () => new Promise(() => undefined);
    const verdicts = Array.from({ length: 50 }, (_, index) =>
      plane.ask(plane.token({ jti: `${index}` }), `10.6.${index}.6`),
    );
    expect(await verdicts[49]).toMatchObject({ kind: "unavailable", reason: "too_many_reviews" });
    await settlePromises();
    expect(plane.asked).toHaveLength(2);
  });
});
