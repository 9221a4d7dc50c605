type Say = (key: string, values?: Record<string, string | number>) => string;

// scopeSays tells in words what a scope lets an app do.
export function scopeSays(t: Say, scope: string): string {
  const known = t(`scope.${scope}`);
  if (known !== `scope.${scope}`) return known;
  const [, context, type, letters] = /^(patient|user|system)\/([A-Za-z]+|\*)\.([a-z]+|\*)$/.exec(scope) ?? [];
  if (!context || !type || !letters) return scope;
  const reads = letters === 'read' || letters === '*' || (letters !== 'write' && /[rs]/.test(letters));
  const writes = letters === 'write' || letters === '*' || (letters !== 'read' && /[cud]/.test(letters));
  const named = t(`type.${type}`);
  return t(`scope.${context}`, { do: t(reads && writes ? 'do.both' : writes ? 'do.write' : 'do.read'), what: named === `type.${type}` ? type : named });
}
