import { describe, expect, it } from "vitest";
import { formatResourceName } from "../mesh/resources/fields/resource-names.ts";
import { decideFile, type FileVersion, type HeldFile } from "./decide-file.ts";

const namespaceYaml = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns1\n";
const strictYaml =
  "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: default\n  namespace: istio-system\nspec:\n  mtls:\n    mode: STRICT\n";
const ruleYaml =
  "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: hello\nspec:\n  host: hello.ns1.svc.cluster.local\n";
const whole = `${namespaceYaml}---\n${strictYaml}`;

function version(text: string, overrides: Partial<FileVersion> = {}): FileVersion {
  return { text, body: "1:1", writtenAt: "1", ...overrides };
}

function held(text: string): HeldFile {
  return decideFile(undefined, version(text), "mesh.yaml").held;
}

function names(file: HeldFile): readonly string[] {
  return file.resources.map(formatResourceName);
}

/** The mode that the file's mesh policy has. */
function modeOf(file: HeldFile): string | undefined {
  for (const resource of file.resources) if (resource.kind === "PeerAuthentication") return resource.spec.mtls?.mode;
  return undefined;
}

describe("decideFile", () => {
  it.each([
    { name: "emptied", text: "" },
    { name: "left with blank lines", text: "\n\n  \n" },
    { name: "left with comments", text: "# kind: Namespace\n---\n" },
    { name: "no YAML any more", text: "kind: [Namespace\n  x" },
    { name: "YAML that is no resource", text: "- 1\n- 2\n" },
    { name: "a good resource beside one without a kind", text: `${namespaceYaml}---\nmetadata:\n  name: x\n` },
  ])("keeps everything of a file that is $name", ({ text }) => {
    const decision = decideFile(held(whole), version(text, { writtenAt: "2" }), "mesh.yaml");
    expect(names(decision.held)).toEqual(["Namespace/ns1", "PeerAuthentication/default.istio-system"]);
    expect(modeOf(decision.held)).toBe("STRICT");
    expect(decision.problems.at(-1)).toMatchObject({ severity: "error", file: "mesh.yaml" });
    expect(decision.problems.at(-1)?.message).toContain("the 2 resources that it held stay in force");
  });

  it("never opens a strict mesh, wherever a file was cut inside its policy", () => {
    const before = held(whole);
    for (let length = 0; length < whole.trimEnd().length; length += 1) {
      if (whole.slice(0, length).trimEnd() === namespaceYaml.trimEnd()) continue;
      const decision = decideFile(before, version(whole.slice(0, length), { writtenAt: "2" }), "mesh.yaml");
      expect({ length, mode: modeOf(decision.held) }).toEqual({ length, mode: "STRICT" });
      expect(decision.problems.length).toBeGreaterThan(0);
    }
  });

  it("takes a file that lost its last documents whole", () => {
    const decision = decideFile(held(whole), version(namespaceYaml, { writtenAt: "2" }), "mesh.yaml");
    expect(names(decision.held)).toEqual(["Namespace/ns1"]);
    expect(decision.problems).toEqual([]);
  });

  const shorter = whole.slice(0, whole.indexOf("spec:"));

  it("takes a shorter file that replaced the old one", () => {
    const decision = decideFile(held(whole), version(shorter, { body: "1:2", writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(decision.held)).not.toBe("STRICT");
  });

  it("takes a shorter file once it was saved a second time", () => {
    const first = decideFile(held(whole), version(shorter, { writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(first.held)).toBe("STRICT");
    const readAgain = decideFile(first.held, version(shorter, { writtenAt: "2" }), "mesh.yaml");
    expect(modeOf(readAgain.held)).toBe("STRICT");
    const second = decideFile(first.held, version(shorter, { writtenAt: "3" }), "mesh.yaml");
    expect(modeOf(second.held)).not.toBe("STRICT");
  });

  it("keeps the last good version of a resource with an error, and takes the others", () => {
    const before = held(`${strictYaml}---\n${ruleYaml}`);
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const changed = ruleYaml.replace("hello.ns1", "hello.ns2");
    const { held: after, problems } = decideFile(before, version(`${broken}---\n${changed}`), "mesh.yaml");
    expect(modeOf(after)).toBe("STRICT");
    const rule = after.resources.find((resource) => resource.kind === "DestinationRule");
    expect(rule?.spec.host).toBe("hello.ns2.svc.cluster.local");
    expect(problems).toEqual([
      expect.objectContaining({ severity: "error", resource: "PeerAuthentication/default.istio-system", line: 8 }),
    ]);
  });

  it("keeps the last good version of a resource without a namespace too", () => {
    const broken = ruleYaml.replace("networking.istio.io/v1", "networking.istio.io/v9");
    const { held: after } = decideFile(
      held(`${namespaceYaml}---\n${ruleYaml}`),
      version(`${namespaceYaml}---\n${broken}`),
      "mesh.yaml",
    );
    expect(names(after)).toContain("DestinationRule/hello.default");
  });

  it("takes the good resources of a new file beside a bad one", () => {
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const decision = decideFile(undefined, version(`${namespaceYaml}---\n${broken}`), "mesh.yaml");
    expect(names(decision.held)).toEqual(["Namespace/ns1"]);
    expect(decision.problems).toHaveLength(1);
  });

  it("forgets a resource with an error once the file no longer has it", () => {
    const broken = strictYaml.replace("STRICT", "STRIKT");
    const during = decideFile(held(whole), version(`${namespaceYaml}---\n${broken}`), "mesh.yaml").held;
    const after = decideFile(during, version(`# no policy\n${namespaceYaml}`), "mesh.yaml").held;
    expect(names(after)).toEqual(["Namespace/ns1"]);
  });
});
