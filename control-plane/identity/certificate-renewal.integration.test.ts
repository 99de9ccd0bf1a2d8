import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesOf } from "../../ca-agent/authority/authority-fixture.ts";
import { createLiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { parseTrustedMaterial } from "../../ca-agent/authority/trusted-material.ts";
import { createWorkloadSerial } from "../../ca-agent/x509/certificate.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { readUriSans } from "../../mesh/identity/x509-san.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import {
  type ControlPlaneFixture,
  closing,
  openCall,
  startControlPlaneFixture,
} from "../serving/control-plane-fixture.ts";

const HOUR_MS = 3_600_000;
let fixture: ControlPlaneFixture;

beforeAll(async () => {
  fixture = await startControlPlaneFixture();
});
afterAll(() => fixture.stop());

describe("CreateCertificate with a workload certificate instead of a token", () => {
  const foreign = () => {
    const uriSans = ["spiffe://cluster.local/ns/ns1/sa/default"];
    const leaf = mintLeaf({ issuer: mintRoot(), uriSans, notBefore: new Date(0), notAfter: new Date("2044-01-01") });
    return { cert: leaf.pem, key: leaf.keyPem };
  };
  const serving = () => {
    const pair = fixture.authority.signServing({ dnsNames: ["istiod.istio-system.svc"], lifetimeMs: HOUR_MS });
    return { cert: pair.certificateChainPem, key: pair.privateKeyPem };
  };

  it("renews it", async () => {
    const certificate = await fixture.workload();
    const [leaf = ""] = await fixture.ask({ certificate });
    expect(readUriSans(new X509Certificate(leaf).raw)).toEqual(["spiffe://cluster.local/ns/ns1/sa/default"]);
    expect(new X509Certificate(leaf).serialNumber).not.toBe(new X509Certificate(certificate.cert).serialNumber);
  });

  it("does not ask about the token, even if that has expired: a pod recovers by itself", async () => {
    const bearer = await fixture.token("-1 minute");
    expect(await fixture.ask({ certificate: await fixture.workload(), bearer })).toHaveLength(2);
  });

  it.each([
    { name: "another authority's certificate", certificate: foreign },
    { name: "a server's certificate of the mesh", certificate: serving },
  ])("is refused to $name", async ({ certificate }) => {
    const error = ConnectError.from(
      await fixture.ask({ certificate: certificate() }).catch((caught: unknown) => caught),
    );
    expect(error.code).toBe(Code.Unauthenticated);
  });
});

describe("a peer whose root is removed", () => {
  const [own, other] = [mintRoot({ commonName: "own" }), mintRoot({ commonName: "other" })];
  const trust = { trustDomain: parseTrustDomain("cluster.local"), clock: systemClock, randomBytes };
  const parse = (roots: readonly (typeof own)[]) => parseTrustedMaterial(filesOf({ signer: own, roots }), trust);
  const until = new Date(Date.now() + HOUR_MS);
  let plane: ControlPlaneFixture;
  afterAll(() => plane.stop());

  it("is cut off, and cannot renew itself; others stay connected", async () => {
    const log = new RecordingLogger();
    const authority = createLiveAuthority(await parse([own, other]), { ...trust, log });
    plane = await startControlPlaneFixture({ authority });
    const uriSans = ["spiffe://cluster.local/ns/ns1/sa/default"];
    const serialNumber = createWorkloadSerial(randomBytes);
    const leaf = mintLeaf({ issuer: other, uriSans, notBefore: new Date(0), notAfter: until, serialNumber });
    const certificate = { cert: leaf.pem, key: leaf.keyPem };
    expect(await plane.ask({ certificate })).toHaveLength(2);
    const workload = await plane.workload();
    const [removed, kept] = [plane.dialHttp2(certificate), plane.dialHttp2(workload)];
    await Promise.all([once(removed, "connect"), once(kept, "connect")]);
    expect(await Promise.all([openCall(removed), openCall(kept)])).toEqual(["open", "open"]);
    authority.adopt(await parse([own]));
    await closing(removed);
    expect(await openCall(kept)).toBe("open");
    kept.destroy();
    const error = ConnectError.from(await plane.ask({ certificate }).catch((caught: unknown) => caught));
    expect(error.code).toBe(Code.Unauthenticated);
    const name = 'entente_control_plane_connections_refused_total{reason="no_longer_trusted"}';
    // The one that renewed itself, and the one that is open.
    expect(await plane.metric(name)).toBe(2);
  });
});
