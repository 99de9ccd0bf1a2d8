import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { authorizationPolicy, explain, type PolicyOptions, sumCounter } from "./authorization-fixture.ts";
import { entente } from "./installation.ts";
import { apply, getObjects, kubectl, runKubectl } from "./kubectl-fixture.ts";
import { createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

let mesh: World;

beforeAll(async () => {
  mesh = await createWorld("policies");
});

afterAll(() => mesh?.remove());

const RESOURCES = "authorizationpolicies.security.istio.io";
afterEach(() => kubectl(["delete", RESOURCES, "--all", "-n", mesh.namespace]));

const SOON = { timeout: 15_000 };
const SERVED = WORLD_REPLY;
const DENIED = { status: 403, body: "RBAC: access denied" };

const send = () => mesh.client.send({ url: mesh.url });
const operation = (fields: object) => ({ action: "DENY", rules: [{ to: [{ operation: fields }] }] });
const source = (fields: object) => ({ action: "DENY", rules: [{ from: [{ source: fields }] }] });
const annotated = (value: string): PolicyOptions => ({ annotations: { "istio.io/dry-run": value } });

describe("an AuthorizationPolicy that is wrong is refused with its field", () => {
  it.each<{ field: string; spec: object; options?: PolicyOptions }>([
    { field: "spec.action", spec: { action: "DENIED", rules: [{}] } },
    { field: "spec.rules", spec: { action: "DENY" } },
    { field: "spec.rules[0].to[0].operation", spec: operation({ method: ["GET"] }) },
    { field: "spec.rules[0].to[0].operation.ports[0]", spec: operation({ ports: ["http"] }) },
    { field: "spec.rules[0].to[0].operation.paths[0]", spec: operation({ paths: ["/a/{*"] }) },
    { field: "spec.rules[0].from[0].source.ipBlocks[0]", spec: source({ ipBlocks: ["10.0.0.0/33"] }) },
    { field: "spec.rules[0].from[0].source", spec: source({ principal: ["a"] }) },
    { field: "spec.rules[0].when[0].key", spec: { rules: [{ when: [{ key: "request.header[a]", values: ["b"] }] }] } },
    { field: "spec.provider.name", spec: { action: "CUSTOM", rules: [{}] } },
    {
      field: "spec: has the unknown field selectors",
      spec: { selectors: { matchLabels: { app: "world" } }, rules: [{}] },
    },
    { field: "istio.io/dry-run", spec: { action: "AUDIT", rules: [{}] }, options: annotated("true") },
  ])("$field", async ({ field, spec, options }) => {
    for (const version of ["v1", "v1beta1"] as const) {
      const wrong = authorizationPolicy(mesh.namespace, "wrong", spec, { version, ...options });
      const { status, stderr } = await runKubectl(["apply", "-f", "-"], { input: JSON.stringify(wrong) });
      expect([status, stderr]).toEqual([1, expect.stringContaining(field)]);
    }
    expect(await getObjects(RESOURCES, "-n", mesh.namespace)).toEqual([]);
  });
});

describe("an AuthorizationPolicy", () => {
  const noGet = operation({ methods: ["GET"] });

  it("has the same effect in v1 and in v1beta1, and can be read as either", async () => {
    for (const version of ["v1beta1", "v1"] as const) {
      expect(await send()).toMatchObject(SERVED);
      await apply([authorizationPolicy(mesh.namespace, "no-get", noGet, { version })]);
      await expect.poll(send, SOON).toMatchObject(DENIED);
      for (const read of ["v1", "v1beta1"]) {
        const [stored] = await getObjects(`authorizationpolicies.${read}.security.istio.io`, "-n", mesh.namespace);
        expect(stored).toMatchObject({ apiVersion: `security.istio.io/${read}`, spec: noGet });
      }
      await kubectl(["delete", RESOURCES, "no-get", "-n", mesh.namespace]);
      await expect.poll(send, SOON).toMatchObject(SERVED);
    }
  });

  it("in a dry run denies nothing, and is counted and explained", async () => {
    await apply([authorizationPolicy(mesh.namespace, "no-get", noGet, annotated("true"))]);
    const counted = async () => {
      expect(await send()).toMatchObject(SERVED);
      return await sumCounter(mesh.namespace, "app=world", /^entente_rbac_dry_run_total\{.*_result="denied"/);
    };
    await expect.poll(counted, SOON).toBeGreaterThanOrEqual(2);
    const question = ["--from", `client.${mesh.namespace}`, "--to", `world.${mesh.namespace}:8080`] as const;
    expect(await explain(...question)).toBe("allowed by no-policy");
    const wouldDeny = `Dry run: AuthorizationPolicy/no-get.${mesh.namespace} rule 0`;
    expect(await entente("authz", "explain", ...question)).toContain(wouldDeny);
    await apply([authorizationPolicy(mesh.namespace, "no-get", noGet, annotated("false"))]);
    await expect.poll(send, SOON).toMatchObject(DENIED);
    expect(await explain(...question)).toBe(`denied by AuthorizationPolicy/no-get.${mesh.namespace} rule 0`);
  });

  it("with a rule that is changed is in force in its new form", async () => {
    const only = (methods: readonly string[]) => ({ rules: [{ to: [{ operation: { methods } }] }] });
    for (const [methods, reply] of [
      [["GET"], SERVED],
      [["POST"], DENIED],
      [["POST", "GET"], SERVED],
    ] as const) {
      await apply([authorizationPolicy(mesh.namespace, "only", only(methods))]);
      await expect.poll(send, SOON).toMatchObject(reply);
    }
  });
});
