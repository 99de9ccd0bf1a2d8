import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Small files that take long, most of it to wait: one that begins last is waited for alone. Where no run has been
 * recorded, as in CI, Vitest takes a file's size for its duration.
 */
export const LONG: readonly string[] = [
  "local/rollouts/rolling-update.netns.test.ts",
  "local/rollouts/short-certificates.netns.test.ts",
  "control-plane/faults/full-disk.netns.test.ts",
  "local/start-local-cluster.netns.test.ts",
  "proxy/tls/control-plane/control-plane-unreachable.netns.test.ts",
];

/** Starts the files of a project by Vitest's order, but for those that are known to be long: they come first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project.name))];
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((name) => moduleId.endsWith(`/${name}`));
    const rank = (file: TestSpecification): number => 2 * projects.indexOf(file.project.name) + (isLong(file) ? 0 : 1);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}
