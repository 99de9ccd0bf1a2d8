import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseResources } from "../mesh/resources/parsing/parse-resources.ts";
import { parseDockerfile } from "./dockerfile-fixture.ts";

const [BUILD, IMAGE] = parseDockerfile(readFileSync("examples/hello-grpc/Dockerfile", "utf8"));
const MANIFEST = readFileSync("examples/hello-grpc/10-hello-grpc.yaml", "utf8");
const folder = mkdtempSync(join(tmpdir(), "entente-hello-grpc-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the image of hello-grpc", () => {
  it("has a program that runs without the packages it was built from", () => {
    const [, ...bundle] = BUILD?.commands.at(-1)?.split(" ") ?? [];
    const program = basename(IMAGE?.entrypoint.at(-1) ?? "");
    expect(bundle).toContain(`--outfile=${program}`);
    const args = bundle.map((arg) => arg.replace("--outfile=", `--outfile=${folder}/`));
    expect(spawnSync("npx", args, { encoding: "utf8" })).toMatchObject({ status: 0 });
    const { status, stderr } = spawnSync(process.execPath, [join(folder, program), "sing"], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 2, stderr: 'usage: main.ts serve | call HOST:PORT; got "sing"\n' });
    expect(IMAGE?.copies).toEqual([
      { from: BUILD?.name, sources: [`${BUILD?.workdir}/${program}`], destination: "/opt/hello-grpc/" },
    ]);
  });

  it("does not run as the user whose traffic is not captured", () => {
    expect(IMAGE?.user).toBe("65532:65532");
  });
});

describe("the manifest of hello-grpc", () => {
  it("is understood without a finding, and labels its namespace before the first pod", () => {
    const { resources, problems } = parseResources({ text: MANIFEST, file: "10-hello-grpc.yaml" });
    expect(problems).toEqual([]);
    expect(resources[0]).toMatchObject({ kind: "Namespace", metadata: { labels: { "istio-injection": "enabled" } } });
    expect(resources.filter(({ kind }) => kind === "Deployment")).toHaveLength(2);
  });
});
