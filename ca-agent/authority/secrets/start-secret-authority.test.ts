import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../../kubernetes/kubernetes-api-error.ts";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { textsOf } from "../authority-fixture.ts";
import { readText, SecretHarness } from "./secret-authority-fixture.ts";

const OWN = "istio-ca-secret";
const PLUGGED = "cacerts";
const oldRoot = mintRoot({ commonName: "old" });
const newRoot = mintRoot({ commonName: "new" });
const oldSigner = mintRoot({ commonName: "old signer", issuer: oldRoot });
const newSigner = mintRoot({ commonName: "new signer", issuer: newRoot });
const oldTexts = textsOf({ signer: oldSigner, roots: [oldRoot] });
const newTexts = textsOf({ signer: newSigner, roots: [newRoot] });
const rootPem = (root: typeof oldRoot): string => root.certificate.toString();

const cleanup = new Cleanup();
let harness: SecretHarness;
beforeEach(() => {
  harness = new SecretHarness(cleanup);
});
afterEach(() => cleanup.run());

describe("the first start", () => {
  it("stores a new root under Istio's name, type and keys", async () => {
    const { authority } = await harness.start();
    const secret = harness.find(OWN);
    expect(secret?.["type"]).toBe("istio.io/ca-root");
    expect(Object.keys(Object(secret?.["data"])).sort()).toEqual([
      "ca-cert.pem",
      "ca-key.pem",
      "cert-chain.pem",
      "key.pem",
      "root-cert.pem",
    ]);
    expect(readText(secret, "ca-cert.pem")).toBe(authority.roots()[0]);
    expect(readText(secret, "root-cert.pem")).toBe(authority.roots()[0]);
    expect(new X509Certificate(readText(secret, "ca-cert.pem") ?? "").ca).toBe(true);
  });

  it("is the same root at every later start", async () => {
    const first = await harness.start();
    const second = await harness.start();
    expect(second.authority.roots()).toEqual(first.authority.roots());
  });

  it("creates no root by a clock that is days ahead: it waits, says so, and goes on when the clock is right", async () => {
    harness.serverAheadMs = -2 * 86_400_000;
    const starting = harness.start();
    await harness.pass(7000);
    expect(harness.find(OWN)).toBeUndefined();
    expect(harness.waiting.at(-1)).toContain("the clock of this control plane is 2 days ahead of the API server's");
    harness.serverAheadMs = 0;
    await harness.pass(3000);
    expect((await starting).authority.roots()).toHaveLength(1);
  });

  it("uses the stored root whatever its clock", async () => {
    const { authority } = await harness.start();
    harness.serverAheadMs = 86_400_000;
    expect((await harness.start()).authority.roots()).toEqual(authority.roots());
  });

  it("of several control planes at once agrees on one root", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => harness.start()));
    expect(new Set(all.map(({ authority }) => authority.roots().join(""))).size).toBe(1);
    expect(all.filter(({ log }) => log.find("created a new self-signed root").length > 0)).toHaveLength(1);
  });

  it("whose stored Secret is answered by a lost connection uses the stored one", async () => {
    let isLost = true;
    const { cluster } = harness;
    const { apply } = cluster;
    cluster.apply = (...args) => {
      const created = apply.apply(cluster, args);
      if (!isLost) return created;
      isLost = false;
      throw new KubernetesApiError("api_unreachable", "connection reset");
    };
    const starting = harness.start();
    await settlePromises();
    await harness.clock.advance(3000);
    const { authority } = await starting;
    expect(readText(harness.find(OWN), "ca-cert.pem")).toBe(authority.roots()[0]);
  });

  it("without the right to create the Secret says how to get it", async () => {
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply") throw new KubernetesApiError("api_refused", "forbidden", { status: 403 });
    };
    const starting = harness.start();
    await harness.follow("cannot be opened yet");
    expect(harness.waiting.at(-1)).toMatch(
      /Secret istio-system\/istio-ca-secret does not exist and may not be created: .* entente install or kubectl apply -k/,
    );
    harness.beforeCall = () => undefined;
    await harness.clock.advance(3000);
    expect((await starting).authority.roots()).toHaveLength(1);
  });

  it("never changes a Secret of the same moment", async () => {
    const { beforeCall } = harness;
    harness.beforeCall = ({ verb }) => {
      if (verb !== "apply") return;
      harness.beforeCall = beforeCall;
      harness.put(OWN, oldTexts);
    };
    const { authority } = await harness.start();
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    expect(readText(harness.find(OWN), "ca-key.pem")).toBe(oldTexts["ca-key.pem"]);
  });

  it("waits while the API is away, and says so", async () => {
    harness.beforeCall = harness.away;
    const starting = harness.start();
    await harness.clock.advance(60_000);
    expect(harness.waiting.at(-1)).toContain("connection refused");
    expect(harness.log.find("cannot be opened yet")).toHaveLength(1);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(3000);
    expect((await starting).authority.roots()).toHaveLength(1);
  });
});

describe("the operator's Secret", () => {
  it("comes first", async () => {
    await harness.start();
    harness.put(PLUGGED, oldTexts);
    const { authority } = await harness.start();
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
  });

  it.each([
    {
      name: "Istio's own, whose RSA key and empty keys are Istio's",
      texts: () => {
        const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
        const root = mintRoot({ key });
        const keyPem = key.export({ type: "pkcs1", format: "pem" }).toString();
        const empty = { "cert-chain.pem": "", "root-cert.pem": "", "key.pem": "" };
        return { "ca-cert.pem": root.pem, "ca-key.pem": keyPem, ...empty };
      },
      in: OWN,
    },
    {
      name: "cert-manager's, whose intermediates follow the certificate",
      texts: () => ({ "tls.crt": oldSigner.pem + oldRoot.pem, "tls.key": oldSigner.keyPem, "ca.crt": oldRoot.pem }),
      in: PLUGGED,
    },
  ])("is read in the form of $name", async ({ texts, in: name }) => {
    harness.put(name, texts());
    expect((await harness.start()).authority.roots()).toHaveLength(1);
    expect(harness.log.find("created a new")).toEqual([]);
  });

  it.each([
    {
      name: "half written",
      texts: { "ca-cert.pem": oldSigner.pem },
      reason: "ca-key.pem of Secret istio-system/cacerts is missing",
    },
    { name: "empty", texts: {}, reason: "contains no authority" },
    { name: "garbage", texts: { ...oldTexts, "ca-key.pem": "garbage" }, reason: "no readable private key" },
  ])("that is $name is waited for at the start, and no other authority takes its place", async ({ texts, reason }) => {
    harness.put(OWN, oldTexts);
    harness.put(PLUGGED, { ...texts });
    const starting = harness.start();
    await settlePromises();
    expect(await harness.follow("cannot be opened yet")).toContain(reason);
    await harness.pass(60_000);
    expect(harness.log.find("opened")).toHaveLength(1);
    harness.put(PLUGGED, newTexts);
    await harness.clock.advance(3000);
    expect((await starting).authority.roots()).toEqual([rootPem(newRoot)]);
  });
});

it("the key appears in no log line", async () => {
  const { log } = await harness.start();
  harness.put(PLUGGED, { ...oldTexts, "ca-cert.pem": "garbage" });
  await harness.follow("the old one stays in force");
  expect(log.find("PRIVATE KEY")).toEqual([]);
  expect(harness.cluster.list(KINDS.secrets, {}).items).toHaveLength(2);
});
