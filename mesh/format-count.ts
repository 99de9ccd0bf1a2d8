/**
 * A number and its noun: `1 control plane`, `0 policies`.
 * @param several with a verb where the sentence has one, as `one` has: `pod has`, `pods have`. @default `one` with an s
 */
export function formatCount(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
