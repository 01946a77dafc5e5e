/** The name that was probably meant, for a hint only: what fails here is not worth a word. */
export async function nearestTo(name: string, known: () => Promise<string[]>): Promise<string | undefined> {
  try {
    // The engine is loaded for this alone: most commands do without it, and start the sooner.
    const [{ nearestName }, names] = await Promise.all([import('../engine/index.ts'), known()]);
    return nearestName(name, names);
  } catch {
    return undefined;
  }
}
