import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscoverResponse } from "../../mesh/api/gen/discovery_pb.ts";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { DiscoveryFixture } from "../discovery-fixture.ts";
import type { Discovery } from "../discovery-service.ts";
import type { TestProxy } from "./test-proxy-fixture.ts";

const [OLD, NEW] = [mintRoot({ commonName: "old" }), mintRoot({ commonName: "new" })];
const fingerprint = ({ certificate }: typeof OLD): string => certificate.fingerprint256;
const BUNDLE = { kind: "trust bundle" } as const;
const BUNDLE_ID = 1;

let mesh: DiscoveryFixture;
let discovery: Discovery;
let proxy: TestProxy;

beforeEach(() => {
  mesh = new DiscoveryFixture();
  mesh.roots.change([OLD.pem]);
  discovery = mesh.start();
  proxy = mesh.proxy({ discovery }).identify().subscribe(BUNDLE_ID, BUNDLE);
});

afterEach(() => {
  mesh.calls.abort();
});

function trustedRoots(): readonly string[] | null | undefined {
  const found = discovery.status().at(-1)?.trustedRoots;
  expect(discovery.trust().at(-1)?.trustedRoots).toEqual(found);
  return found;
}

async function acknowledge({ nonce }: Pick<DiscoverResponse, "nonce">, ...rejectedIds: readonly number[]) {
  proxy.send({
    acknowledgement: { nonce, rejections: rejectedIds.map((id) => ({ id, reason: "not a certificate" })) },
  });
  await settlePromises();
}

/** A second root is published; the proxy has its bundle and has not acknowledged it. */
async function publishNew(): Promise<DiscoverResponse> {
  mesh.roots.change([OLD.pem, NEW.pem]);
  return await proxy.response();
}

describe("the roots that a proxy trusts", () => {
  it("are unknown until it has acknowledged a bundle, and change with each that it acknowledges", async () => {
    const first = await proxy.response();
    expect(trustedRoots()).toBeNull();
    await acknowledge(first);
    expect(trustedRoots()).toEqual([fingerprint(OLD)]);
    const second = await publishNew();
    expect(trustedRoots()).toEqual([fingerprint(OLD)]);
    await acknowledge(second);
    expect(trustedRoots()).toEqual([fingerprint(OLD), fingerprint(NEW)]);
  });

  it("are those of the earlier bundle if it rejects one, and unknown if it rejects the first", async () => {
    await acknowledge(await proxy.response(), BUNDLE_ID);
    expect(trustedRoots()).toBeNull();
    const second = await publishNew();
    await acknowledge(second);
    mesh.roots.change([NEW.pem]);
    await acknowledge(await proxy.response(), BUNDLE_ID);
    expect(trustedRoots()).toEqual([fingerprint(OLD), fingerprint(NEW)]);
  });

  it("are counted with whether it has rejected the last bundle, and the root of its certificate", async () => {
    const counted = () =>
      discovery.trust().map(({ rejectsBundle, certificateRoot }) => [rejectsBundle, certificateRoot]);
    await acknowledge(await proxy.response());
    const [root] = discovery.status().map(({ certificate }) => certificate.rootFingerprint);
    expect(counted()).toEqual([[false, root]]);
    await acknowledge(await publishNew(), 7);
    expect(counted()).toEqual([[false, root]]);
    mesh.roots.change([NEW.pem]);
    await acknowledge(await proxy.response(), BUNDLE_ID);
    expect(counted()).toEqual([[true, root]]);
  });

  it("do not depend on values of other kinds that it rejects", async () => {
    const first = await proxy.response();
    await acknowledge(first, 7);
    expect(trustedRoots()).toEqual([fingerprint(OLD)]);
  });

  it("are not those of two bundles of which one acknowledgement rejects either", async () => {
    await proxy.response();
    await acknowledge(await publishNew(), BUNDLE_ID);
    expect(trustedRoots()).toBeNull();
  });

  it("are not those of a bundle that was not sent", async () => {
    const first = await proxy.response();
    await acknowledge({ nonce: first.nonce + 1 });
    expect(trustedRoots()).toBeNull();
  });

  it("are known on a new stream once it has acknowledged that its bundle is still the current one", async () => {
    const { digest } = await proxy.value();
    proxy = mesh.proxy({ discovery }).identify().subscribe(BUNDLE_ID, BUNDLE, digest);
    const response = await proxy.response();
    expect(response.updates[0]?.result.case).toBe("unchanged");
    expect(trustedRoots()).toBeNull();
    await acknowledge(response);
    expect(trustedRoots()).toEqual([fingerprint(OLD)]);
  });

  it("are unknown after it has unsubscribed", async () => {
    await acknowledge(await proxy.response());
    proxy.send({ unsubscribe: [BUNDLE_ID] });
    await settlePromises();
    expect(trustedRoots()).toBeNull();
  });

  it("are still found after many bundles that it has read and not acknowledged", async () => {
    let last = await proxy.response();
    for (let round = 0; round < 20; round += 1) {
      mesh.roots.change(round % 2 === 0 ? [OLD.pem, NEW.pem] : [OLD.pem]);
      last = await proxy.response();
    }
    await acknowledge(last);
    expect(trustedRoots()).toEqual([fingerprint(OLD)]);
  });
});
