import { describe, expect, it } from "vitest";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import { type ActiveFile, decideFile, type FileVersion } from "./decide-file.ts";

const namespaceYaml = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns1\n";
const strictYaml =
  "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: default\n  namespace: istio-system\nspec:\n  mtls:\n    mode: STRICT\n";
const ruleYaml =
  "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: hello\nspec:\n  host: hello.ns1.svc.cluster.local\n";
const whole = `${namespaceYaml}---\n${strictYaml}`;

function version(text: string, overrides: Partial<FileVersion> = {}): FileVersion {
  return { text, fileId: "1:1", writtenAt: "1", ...overrides };
}

function active(text: string): ActiveFile {
  return decideFile(undefined, version(text), "mesh.yaml").active;
}

function names(file: ActiveFile): readonly string[] {
  return file.resources.map(formatResourceName);
}

/** The mode of the file's mesh policy. */
function modeOf(file: ActiveFile): string | undefined {
  for (const resource of file.resources) if (resource.kind === "PeerAuthentication") return resource.spec.mtls?.mode;
  return undefined;
}

describe("decideFile", () => {
  it.each([
    { name: "emptied", text: "" },
    { name: "reduced to blank lines", text: "\n\n  \n" },
    { name: "reduced to comments", text: "# kind: Namespace\n---\n" },
    { name: "no longer YAML", text: "kind: [Namespace\n  x" },
    { name: "YAML without a resource", text: "- 1\n- 2\n" },
    { name: "a valid resource next to one without a kind", text: `${namespaceYaml}---\nmetadata:\n  name: x\n` },
  ])("keeps all resources of a file that is $name", ({ text }) => {
    const decision = decideFile(active(whole), version(text, { writtenAt: "2" }), "mesh.yaml");
    expect(names(decision.active)).toEqual(["Namespace/ns1", "PeerAuthentication/default.istio-system"]);
    expect(modeOf(decision.active)).toBe("STRICT");
    expect(decision.problems.at(-1)).toMatchObject({ severity: "error", file: "mesh.yaml" });
    expect(decision.problems.at(-1)?.message).toContain("its previous 2 resources stay in force");
  });

  it("never weakens a STRICT mesh, wherever its policy file is truncated", () => {
    const before = active(whole);
    for (let length = 0; length < whole.trimEnd().length; length += 1) {
      if (whole.slice(0, length).trimEnd() === namespaceYaml.trimEnd()) continue;
      const decision = decideFile(before, version(whole.slice(0, length), { writtenAt: "2" }), "mesh.yaml");
      expect({ length, mode: modeOf(decision.active) }).toEqual({ length, mode: "STRICT" });
      expect(decision.problems.length).toBeGreaterThan(0);
    }
  });

  it("accepts a file that lost its last documents completely", () => {
    const decision = decideFile(active(whole), version(namespaceYaml, { writtenAt: "2" }), "mesh.yaml");
    expect(names(decision.active)).toEqual(["Namespace/ns1"]);
    expect(decision.problems).toEqual([]);
  });

  const shorter = whole.slice(0, whole.indexOf("spec:"));

  it("accepts a shorter file that replaced the old one", () => {
    const decision = decideFile(active(whole), version(shorter, { fileId: "1:2", writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(decision.active)).not.toBe("STRICT");
  });

  it("accepts a shorter file once it is saved a second time", () => {
    const first = decideFile(active(whole), version(shorter, { writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(first.active)).toBe("STRICT");
    const readAgain = decideFile(first.active, version(shorter, { writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(readAgain.active)).toBe("STRICT");
    const second = decideFile(first.active, version(shorter, { writtenAt: "3" }), "mesh.yaml");
    expect(modeOf(second.active)).not.toBe("STRICT");
  });

  it("keeps the last valid version of a resource with an error, and accepts the others", () => {
    const before = active(`${strictYaml}---\n${ruleYaml}`);
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const changed = ruleYaml.replace("hello.ns1", "hello.ns2");
    const { active: after, problems } = decideFile(before, version(`${broken}---\n${changed}`), "mesh.yaml");
    expect(modeOf(after)).toBe("STRICT");
    const rule = after.resources.find((resource) => resource.kind === "DestinationRule");
    expect(rule?.spec.host).toBe("hello.ns2.svc.cluster.local");
    expect(problems).toEqual([
      expect.objectContaining({ severity: "error", resource: "PeerAuthentication/default.istio-system", line: 8 }),
    ]);
  });

  it("keeps the last valid version of a resource without a namespace too", () => {
    const broken = ruleYaml.replace("networking.istio.io/v1", "networking.istio.io/v9");
    const { active: after } = decideFile(
      active(`${namespaceYaml}---\n${ruleYaml}`),
      version(`${namespaceYaml}---\n${broken}`),
      "mesh.yaml",
    );
    expect(names(after)).toContain("DestinationRule/hello.default");
  });

  it("accepts the valid resources of a new file next to an invalid one", () => {
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const decision = decideFile(undefined, version(`${namespaceYaml}---\n${broken}`), "mesh.yaml");
    expect(names(decision.active)).toEqual(["Namespace/ns1", "PeerAuthentication/default.istio-system"]);
    expect(decision.active.resources.map(({ standsInFor }) => standsInFor)).toEqual([undefined, "as_written"]);
    expect(decision.problems).toHaveLength(1);
  });

  it("removes a resource with an error once the file no longer contains it", () => {
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const during = decideFile(active(whole), version(`${namespaceYaml}---\n${broken}`), "mesh.yaml").active;
    const after = decideFile(during, version(`# no policy\n${namespaceYaml}`), "mesh.yaml").active;
    expect(names(after)).toEqual(["Namespace/ns1"]);
  });
});
