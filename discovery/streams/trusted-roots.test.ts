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

/** Claims that the bundle cannot be accepted because of a root. */
async function reject({ nonce }: Pick<DiscoverResponse, "nonce">, root: string) {
  proxy.send({ acknowledgement: { nonce, rejections: [{ id: BUNDLE_ID, reason: "unreadable", root }] } });
  await settlePromises();
}

const rejectedRoot = () => discovery.trust().at(-1)?.rejectedRoot;

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

  it("are counted with the root of its certificate", async () => {
    await acknowledge(await proxy.response());
    const [root] = discovery.status().map(({ certificate }) => certificate.rootFingerprint);
    expect(discovery.trust().map(({ certificateRoot }) => certificateRoot)).toEqual([root]);
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

describe("the root because of which a proxy rejects a bundle", () => {
  it("is the one that it names, if the bundle has it", async () => {
    await acknowledge(await proxy.response());
    expect(rejectedRoot()).toBeNull();
    await reject(await publishNew(), fingerprint(NEW));
    expect(rejectedRoot()).toBe(fingerprint(NEW));
  });

  it.each([
    { name: "of another reason", root: "" },
    { name: "of a root that the bundle does not have", root: fingerprint(mintRoot({ commonName: "foreign" })) },
    { name: "of what is no fingerprint", root: "__proto__" },
  ])("is none because $name", async ({ root }) => {
    await acknowledge(await proxy.response());
    await reject(await publishNew(), root);
    expect(rejectedRoot()).toBeNull();
    expect(discovery.status()[0]?.rejections).toHaveLength(1);
  });

  it("is not a root that comes after the bundle that it rejects", async () => {
    const first = await proxy.response();
    await publishNew();
    await reject(first, fingerprint(NEW));
    expect(rejectedRoot()).toBeNull();
  });

  it("is that of the newest bundle of several that it rejects at once", async () => {
    await proxy.response();
    await reject(await publishNew(), fingerprint(NEW));
    expect(rejectedRoot()).toBe(fingerprint(NEW));
  });

  it("stays known until it has an opinion of the next bundle, and is none once it accepts that", async () => {
    await reject(await publishNew(), fingerprint(NEW));
    mesh.roots.change([NEW.pem, OLD.pem]);
    const next = await proxy.response();
    expect(rejectedRoot()).toBe(fingerprint(NEW));
    await acknowledge(next);
    expect(rejectedRoot()).toBeNull();
  });

  it("is none after it has unsubscribed", async () => {
    await reject(await publishNew(), fingerprint(NEW));
    proxy.send({ unsubscribe: [BUNDLE_ID] });
    await settlePromises();
    expect(rejectedRoot()).toBeNull();
  });
});
