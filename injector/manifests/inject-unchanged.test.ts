import { describe, expect, it } from "vitest";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { DEFAULT_INJECTION_SETTINGS } from "../admission/injection-settings.ts";
import { createHookToken } from "../hook-token.ts";
import { injectManifests } from "./inject-manifests.ts";

function inject(text: string): string {
  return injectManifests({
    text,
    file: "file.yaml",
    settings: DEFAULT_INJECTION_SETTINGS,
    createToken: createHookToken,
  }).text;
}

function read(text: string): unknown[] {
  return parseKubernetesYaml(text).map((document): unknown => document.toJS());
}

/** Whether one text contains the characters of another in order. */
function contains(longer: string, shorter: string): boolean {
  let position = 0;
  for (const character of shorter) {
    position = longer.indexOf(character, position) + 1;
    if (position === 0) return false;
  }
  return true;
}

const POD = `# the file
--- # the first document
apiVersion: v1
kind:   Pod   # odd
metadata:
    labels: {mode: "on",  'other':  'yes'}
    name: a # its name
spec:
    containers:
    # the application
    - image: "x"
      name:  app
      args:
      - |+
        one
          two

      - >-
        folded
        text
    # the end of the list
    volumes:
    - name: key
      secret: {secretName: key, defaultMode: 0400}
    - {name: scripts, configMap: {name: scripts, defaultMode: 0o755}}
    # the end of the pod

# between
---
kind: Service
spec: {ports: [ {port: 0x50} ]}
...
`;

describe("unchanged parts come out byte for byte", () => {
  it.each([
    { name: "block style", text: POD },
    { name: "Windows line endings", text: POD.replaceAll("\n", "\r\n") },
    { name: "no final newline", text: POD.slice(0, POD.indexOf("    # the end of the pod")).trimEnd() },
    { name: "JSON", text: '{"kind":"Pod", "metadata": {"name":"a"},\t"spec":{"containers":[ {"name":"a"} ]}}' },
    {
      name: "a mapping in braces",
      text: "kind: Pod\nmetadata: {name: a, }\nspec: {containers: [{name: a, x: 010}, ]} # c\n",
    },
    {
      name: "list items on lines of their own",
      text: "kind: List\nitems:\n- kind: Pod\n  metadata:\n    name: a\n  spec:\n    containers:\n    -\n      name: a\n",
    },
    {
      name: "missing values",
      text: "kind: Pod\nmetadata:\n  name: a\n  labels: # none\nspec:\n  containers: [{name: a}]\n  volumes:\n",
    },
  ])("with $name", ({ text }) => {
    const injected = inject(text);
    expect(contains(injected, text)).toBe(true);
    const pod = read(injected).find((document) => JSON.stringify(document).includes('"istio-proxy"'));
    expect(pod).toBeDefined();
    if (text.includes("\r\n")) expect(injected.replaceAll("\r\n", "")).not.toContain("\n");
  });

  it("line by line: existing lines stay, and additions are on new lines", () => {
    const lines = inject(POD).split("\n");
    for (const line of POD.split("\n").filter((one) => !one.includes("labels:"))) expect(lines).toContain(line);
  });

  it("if a probe is rewritten, except for the probe's handler", () => {
    const text =
      "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    readinessProbe:\n      tcpSocket:\n        port: 80\n      # how often\n      periodSeconds: 010\n";
    const injected = inject(text);
    expect(injected).toContain("    readinessProbe:\n      # how often\n      periodSeconds: 010\n      httpGet:\n");
    expect(injected).not.toContain("      tcpSocket:\n");
  });

  it("if a probe in braces is rewritten", () => {
    const text =
      "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    readinessProbe: {tcpSocket: {port: 80}, periodSeconds:   010}\n";
    expect(inject(text)).toContain('readinessProbe: {periodSeconds:   010, "httpGet":{');
  });
});

describe("aliases", () => {
  const CONTAINERS = '[{name: a, env: &e [{name: A, value: "yes"}, {name: B, value: "0400"}]}, {name: b, env: *e}]';

  it("stay if the aliased value does not change", () => {
    const text = `kind: Pod\nmetadata: {name: a, labels: &l {app: a}}\nspec:\n  containers: ${CONTAINERS}\n`;
    const injected = inject(text);
    expect(injected).toContain("{name: b, env: *e}");
    expect(injected).toContain('&e [{name: A, value: "yes"}, {name: B, value: "0400"}]');
  });

  it.each([
    { name: "a list", shared: "&c [{name: a, x: 0400, y: 'on'}]", alias: "*c" },
    { name: "a list that holds an alias", shared: "&c [{name: a, x: &x 'on'}, {name: b, x: *x}]", alias: "*c" },
  ])("of $name that injection changes are written out, with the same value", ({ shared, alias }) => {
    const pod = (name: string, containers: string, no = "") =>
      `- kind: Pod\n  metadata: {name: ${name}${no}}\n  spec: {containers: ${containers}}\n`;
    const out = ", annotations: {sidecar.istio.io/inject: 'false'}";
    for (const text of [
      `kind: List\nitems:\n${pod("a", shared)}${pod("b", alias, out)}`,
      `kind: List\nitems:\n${pod("a", shared, out)}${pod("b", alias)}`,
    ]) {
      const [before] = read(text);
      const [after] = read(inject(text));
      const [injected, left] = text.includes("a, annotations") ? [1, 0] : [0, 1];
      expect(specOf(after, left)).toEqual(specOf(before, left));
      expect(specOf(after, injected)).toMatchObject({ initContainers: [{ name: "istio-init" }] });
      expect(JSON.stringify(specOf(after, injected))).toContain(JSON.stringify(specOf(before, left)).slice(16, -3));
    }
  });

  it("are kept in merge keys, whose source stays as it was", () => {
    const text =
      "base: &b\n  containers: [{name: a, x: 0400}]\n  other: yes\nkind: Pod\nmetadata: {name: a}\nspec:\n  <<: *b\n  more: 1\n";
    const injected = inject(text);
    expect(contains(injected, text)).toBe(true);
    expect(read(injected)).toMatchObject([
      {
        base: { containers: [{ name: "a", x: 256 }], other: true },
        spec: { containers: [{ name: "a", x: 256 }, { name: "istio-proxy" }], other: true, more: 1 },
      },
    ]);
  });
});

function specOf(list: unknown, index: number): unknown {
  const { items } = JSON.parse(JSON.stringify(list));
  return items[index].spec;
}
