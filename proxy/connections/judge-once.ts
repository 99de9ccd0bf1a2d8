/**
 * Memoizes a verdict that is needed before each request and depends on one value: it is computed once for each value,
 * by identity.
 */
export function judgeOnce<Value extends object, Verdict>(
  current: () => Value,
  judge: (value: Value) => Verdict,
): () => Verdict {
  let judged: { readonly value: Value; readonly verdict: Verdict } | undefined;
  return () => {
    const value = current();
    if (value !== judged?.value) judged = { value, verdict: judge(value) };
    return judged.verdict;
  };
}
