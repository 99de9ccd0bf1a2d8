import type { TrafficPolicy } from "../../resources/kinds/destination-rule.ts";
import type { MergedRule } from "./destination-rules.ts";

/** The parts of a traffic policy that are inherited as a whole, each by itself. */
export type PolicyBlocks = Pick<TrafficPolicy, "tls" | "connectionPool">;

/** A block, and the rule that it is from. */
export interface FoundBlock<Block> {
  readonly block: Block;
  readonly rule: string;
}

/** What a rule is asked about. */
export interface PolicyLookup {
  readonly rule: MergedRule | undefined;
  /** The service's port. */
  readonly port: number;
  /** Empty means no subset. */
  readonly subset: string;
}

/**
 * Finds a block of the policy for a service's port and subset. Port-level settings replace the whole policy, so a port
 * without the block has none even if the policy above has one. The subset's policy overrides both: its own port-level
 * settings in the same way, its other blocks where it has them.
 */
export function findPolicyBlock<Name extends keyof PolicyBlocks>(
  name: Name,
  { rule, port, subset }: PolicyLookup,
): FoundBlock<NonNullable<PolicyBlocks[Name]>> | undefined {
  const general = rule?.trafficPolicy;
  const inherited = general && found(blocksForPort(general.policy, port)[name], general.rule);
  const own = rule?.subsets.find((candidate) => candidate.subset.name === subset);
  const policy = own?.subset.trafficPolicy;
  if (own === undefined || policy === undefined) return inherited;
  const isReplaced = policy.portLevelSettings.some((setting) => setting.port.number === port);
  const block = found(blocksForPort(policy, port)[name], own.rule);
  return isReplaced ? block : (block ?? inherited);
}

function blocksForPort(policy: TrafficPolicy, port: number): PolicyBlocks {
  return policy.portLevelSettings.find((candidate) => candidate.port.number === port) ?? policy;
}

function found<Block>(block: Block | undefined, rule: string): FoundBlock<NonNullable<Block>> | undefined {
  return block === undefined || block === null ? undefined : { block, rule };
}
