import { describe, expect, it } from "vitest";
import { runForTest } from "./run-cli-fixture.ts";

describe("the command line", () => {
  it("lists the commands", async () => {
    const { status, stdout } = await runForTest("--help");
    expect(status).toBe(0);
    for (const name of ["proxy", "control-plane", "inject", "completion"]) expect(stdout).toContain(`  ${name} `);
  });

  it.each(["proxy", "control-plane", "injector", "inject", "capture", "local", "authz", "completion"])(
    "prints the usage of %s",
    async (name) => {
      const { status, stdout } = await runForTest(name, "--help");
      expect(status).toBe(0);
      expect(stdout).toContain(`Usage: entente ${name}`);
    },
  );

  it.each([
    { name: "an unknown command", argv: ["toString"], message: 'unknown command "toString"' },
    { name: "an unknown option", argv: ["inject", "--nonsense"], message: "--nonsense" },
    { name: "a missing value", argv: ["inject", "-f"], message: "-f" },
    { name: "a missing option", argv: ["inject"], message: "-f is missing" },
    { name: "an unknown shell", argv: ["completion", "tcsh"], message: "bash, zsh, fish" },
  ])("ends with 2 for $name", async ({ argv, message }) => {
    const { status, stderr } = await runForTest(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it("shows the forms of the command below what is wrong, and where the rest is explained", async () => {
    const { stderr } = await runForTest("ca", "--serial", "1");
    expect(stderr.split("\n")).toMatchObject([
      expect.stringMatching(/^entente ca: usage: the first argument must be status.* and it is missing$/),
      "",
      expect.stringMatching(/^Usage: entente ca status/),
      ...Array.from({ length: 4 }, () => expect.stringMatching(/^ {7}entente ca /)),
      "",
      "entente ca --help explains it.",
      "",
    ]);
  });

  it("ends with 1 and one line for a failure, without a stack trace", async () => {
    const { status, stderr } = await runForTest("inject", "-f", "/does/not/exist");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^entente inject: [^\n]*\/does\/not\/exist[^\n]*\n$/);
  });
});
