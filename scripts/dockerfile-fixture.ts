/** For tests: the Dockerfile, read strictly: an instruction or an option that is not understood is an error. */

export interface CopyInstruction {
  /** The stage that it copies from; absent: the build context, which is the repository. */
  readonly from?: string;
  readonly sources: readonly string[];
  readonly destination: string;
}

export interface BuildStage {
  readonly base: string;
  readonly name: string | undefined;
  readonly copies: readonly CopyInstruction[];
  readonly commands: readonly string[];
  readonly user: string | undefined;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
}

const EMPTY = { copies: [], commands: [], user: undefined, workdir: "/", entrypoint: [], cmd: [] } as const;

/** The stages in order. The last one becomes the image. */
export function parseDockerfile(text: string): readonly BuildStage[] {
  const stages: BuildStage[] = [];
  for (const [name, rest] of instructions(text)) {
    if (name === "FROM") {
      const [, base = "", , stage] = /^(\S+)(?:\s+(AS)\s+(\S+))?$/i.exec(rest) ?? [];
      if (base === "") throw new Error(`FROM ${rest} is not understood`);
      stages.push({ ...EMPTY, base, name: stage });
      continue;
    }
    const current = stages.pop();
    if (current !== undefined) stages.push({ ...current, ...changeOf(current, name, rest) });
    else if (name !== "ARG") throw new Error(`${name} before FROM`);
  }
  return stages;
}

function changeOf(stage: BuildStage, name: string, rest: string): Partial<BuildStage> {
  switch (name) {
    case "ARG":
    case "ENV":
      return {};
    case "COPY":
      return { copies: [...stage.copies, parseCopy(rest)] };
    case "RUN":
      return { commands: [...stage.commands, rest] };
    case "USER":
      return { user: rest };
    case "WORKDIR":
      return { workdir: rest };
    case "ENTRYPOINT":
      return { entrypoint: parseExecForm(rest) };
    case "CMD":
      return { cmd: parseExecForm(rest) };
    default:
      throw new Error(`${name} is not understood`);
  }
}

/** Lines that end with a backslash are continued; comments and blank lines are left out, also in between. */
function instructions(text: string): readonly (readonly [string, string])[] {
  const lines = text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line));
  const whole = lines.join("\n").replaceAll(/\\\n\s*/g, "");
  return whole.split("\n").map((line) => {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`${line} is not understood`);
    return [name, rest] as const;
  });
}

function parseCopy(rest: string): CopyInstruction {
  const words = rest.split(/\s+/);
  const options = words.filter((word) => word.startsWith("--"));
  const paths = words.slice(options.length);
  const destination = paths.at(-1);
  if (destination === undefined || paths.length < 2) throw new Error(`COPY ${rest} is not understood`);
  const unknown = options.find((option) => !/^--(?:from|chown)=/.test(option));
  if (unknown !== undefined) throw new Error(`COPY ${unknown} is not understood`);
  const from = options.find((option) => option.startsWith("--from="))?.slice("--from=".length);
  return { ...(from !== undefined && { from }), sources: paths.slice(0, -1), destination };
}

/** A list of JSON strings. The other form runs a shell, which the image's users would have to know. */
function parseExecForm(rest: string): readonly string[] {
  const list: unknown = JSON.parse(rest);
  if (!Array.isArray(list) || list.some((word) => typeof word !== "string")) throw new Error(`${rest} is not a list`);
  return list.map(String);
}
