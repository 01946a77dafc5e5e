/** How the page of a load's report looks, in light and in dark; lines differ by their dashes, too. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1a1f29; --faint: #667085; --back: #ffffff; --panel: #f5f7fa; --grid: #e1e5eb;
  --one: #1d4ed8; --two: #b45309; --three: #be123c; --good: #166534; --good-back: #dcfce7; --bad: #991b1b; --bad-back: #fee2e2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --faint: #98a2b3; --back: #12161d; --panel: #1b212b; --grid: #2d3542;
  --one: #7aa2f7; --two: #f0a840; --three: #f7768e; --good: #bbf7d0; --good-back: #14351f; --bad: #fecaca; --bad-back: #441a1d; } }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.6em; margin: 0; } h2 { font-size: 1.15em; margin: 32px 0 4px; }
.what, section > p { color: var(--faint); margin: 4px 0 12px; }
.verdict { padding: 10px 14px; border-radius: 6px; font-weight: 600; }
.good { color: var(--good); background: var(--good-back); } .bad { color: var(--bad); background: var(--bad-back); }
.note { margin: 4px 0; white-space: pre-line; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; margin: 16px 0; }
.tiles div { background: var(--panel); border-radius: 6px; padding: 10px 12px; }
.tiles span, .tiles small { display: block; color: var(--faint); font-size: 0.85em; } .tiles strong { font-size: 1.35em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.legend { list-style: none; display: flex; gap: 20px; padding: 0; margin: 0; }
.legend li::before { content: ''; display: inline-block; width: 26px; border-top: 2px solid var(--one); margin-right: 6px; vertical-align: middle; }
.legend .line-2::before { border-top: 2px dashed var(--two); } .legend .line-3::before { border-top: 2px dotted var(--three); }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--faint); font-size: 12px; text-anchor: middle; }
svg .end { text-anchor: end; } svg .grid { stroke: var(--grid); } svg path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .line-1 path { stroke: var(--one); } svg .line-2 path { stroke: var(--two); stroke-dasharray: 7 4; }
svg .line-3 path { stroke: var(--three); stroke-dasharray: 2 3; }
svg circle { fill: transparent; } svg .line-1 circle:hover { fill: var(--one); }
svg .line-2 circle:hover { fill: var(--two); } svg .line-3 circle:hover { fill: var(--three); }
`;
