/** How the panel looks: the viewer's dark colours, letters large enough to read beside images. */

const TEXT = `
.vhi { color: #e8eefc; font: 13px/1.4 Inter, system-ui, sans-serif; padding: 6px 10px; height: 100%; box-sizing: border-box; display: flex; flex-direction: column; }
.vhi .rest { flex: 1; min-height: 0; overflow-y: auto; display: flex; flex-direction: column; }
.vhi .rest > * { flex: none; }
.vhi .rest > .list { flex: 0 1 auto; display: flex; flex-direction: column; }
/* the viewer's own style sheet sets the least height of everything to 0 */
.vhi .rest > .list:not(.folded) { min-height: calc(var(--rows) * 24px + 160px) !important; }
.vhi .foot { padding: 4px 0 2px; }
.vhi .foot .said { max-height: 45vh; overflow-y: auto; }
.vhi .foot #vhi-kept { margin: 0; font-size: 12px; }
.vhi section { border-top: 1px solid #2b3a67; padding: 5px 0; }
.vhi section:first-child { border-top: 0; }
.vhi section.bare, .vhi section.bare + div section { border-top: 0; padding: 2px 0; }
.vhi section + div > section:first-child { padding-top: 0; }
.vhi .note, .vhi .warn { overflow-wrap: anywhere; }
.vhi h3 { font-size: 12px; font-weight: 600; color: #9fb4e8; margin: 0 0 6px; }
.vhi button { background: #1f2f5f; color: #e8eefc; border: 1px solid #3b519a; border-radius: 4px; padding: 3px 7px; cursor: pointer; }
.vhi button:hover:not(:disabled) { background: #2b4080; }
.vhi button:disabled { opacity: .45; cursor: default; }
.vhi button[aria-pressed=true] { background: #3c64d8; border-color: #8fabff; box-shadow: inset 0 -3px 0 #fff; }
.vhi button.main { width: 100%; padding: 7px; font-size: 14px; font-weight: 600; background: #2f55c8; }
.vhi button.main:hover:not(:disabled) { background: #3c64d8; }
.vhi select, .vhi input[type=text], .vhi textarea { background: #0b1530; color: #e8eefc; border: 1px solid #3b519a; border-radius: 4px; padding: 3px 6px; }
.vhi input[type=range] { flex: 1; min-width: 60px; height: 16px; padding: 0; background: none; accent-color: #5f86ff; appearance: auto; }
.vhi .line { display: flex; gap: 6px; align-items: center; flex-wrap: wrap; margin: 4px 0; }
.vhi textarea { width: 100%; box-sizing: border-box; font: inherit; margin: 4px 0; }
.vhi .tight { flex-wrap: nowrap; }
.vhi .tight select { flex: 1; min-width: 0; }
.vhi .grow { flex: 1; }
.vhi button.main.grow { width: auto; }
.vhi .grades { display: grid; grid-template-columns: auto 1fr auto; gap: 2px 8px; margin: 2px 0; font-size: 15px; }
.vhi .grades b { text-align: right; font-variant-numeric: tabular-nums; }
#vhi-panel .behind b { opacity: .65; }
#vhi-panel .behind b::after { content: ' …'; }
.vhi .rest > .asked { background: #3a2f0e; border: 1px solid #b98a1e; border-radius: 4px; padding: 8px; margin: 4px 0; }
.vhi .histogram { width: 100%; height: 56px; background: #0b1530; border-radius: 3px; }
.vhi .swatch { display: inline-block; width: 11px; height: 11px; border-radius: 2px; align-self: center; }
#vhi-panel .small { font-size: 12px; line-height: 1.3; margin: 2px 0; }
.vhi .note { color: #b9c6ea; margin: 4px 0; }
.vhi .warn { color: #ffce73; margin: 4px 0; }
.vhi .good { color: #86e0a4; }
.vhi .error { color: #ff9a9a; margin: 4px 0; }
.vhi a { color: #8fc0ff; text-decoration: underline; }
.vhi summary { cursor: pointer; color: #9fb4e8; }
.vhi table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.vhi th { text-align: left; font-weight: 400; color: #9fb4e8; font-size: 11px; }
.vhi td, .vhi th { padding: 2px 3px; }
.vhi td.number, .vhi th.number { text-align: right; }
.vhi tbody tr { cursor: pointer; }
.vhi tbody tr:hover { background: #16244d; }
.vhi tr.removed td:not(:last-child) { text-decoration: line-through; opacity: .55; }
.vhi tr.proposed td:not(:last-child) { opacity: .5; font-style: italic; }
.vhi tr.painted { cursor: default; }
.vhi .list > * { flex: none; }
.vhi .list > .lesions { flex: 0 1 auto; overflow-y: auto; }
.vhi h3 button { background: none; border: 0; padding: 0; color: inherit; font: inherit; }
.vhi [hidden] { display: none; }
.vhi .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.vhi th button { background: none; border: 0; color: inherit; padding: 0; font-size: 11px; }
.vhi th[aria-sort=ascending] button { text-decoration: underline; color: #fff; }
.vhi tr.current { outline: 1px solid #8fabff; outline-offset: -1px; }
.vhi tr.selected { background: #24377a; }
.vhi tr.selected td:first-child::before { content: '✓ '; }
.vhi tr:focus-visible, .vhi button:focus-visible, .vhi select:focus-visible { outline: 2px solid #7fd4ff; outline-offset: -2px; }
#vhi-keys { background: #0b1530; color: #e8eefc; border: 1px solid #3b519a; border-radius: 6px; font: 14px/1.5 Inter, system-ui, sans-serif; }
#vhi-keys::backdrop { background: rgba(0, 0, 0, .5); }
#vhi-keys td { padding: 1px 12px 1px 0; }
#vhi-keys kbd { border: 1px solid #3b519a; border-radius: 3px; padding: 0 5px; font: inherit; }
.vhi td button { padding: 0 6px; white-space: nowrap; }
.vhi-beside { position: absolute; left: 8px; right: 8px; bottom: 40px; z-index: 6; pointer-events: none; color: #7fd4ff; background: rgba(0, 0, 0, .7); font: 13px/1.4 Inter, system-ui, sans-serif; padding: 2px 6px; border-radius: 3px; }
[data-cy=viewport-pane]:has(.vhi-beside) [data-cy=viewport-overlay-top-left] { visibility: hidden; }
.vhi-numbers { position: absolute; inset: 0; z-index: 4; overflow: hidden; pointer-events: none; }
.vhi-numbers span { position: absolute; left: 0; top: 0; font: 600 12px/1 Inter, system-ui, sans-serif; color: #fff; text-shadow: 0 0 2px #000, 0 0 2px #000, 0 0 3px #000; }
#vhi-panel .mm { min-width: 52px; text-align: right; font-variant-numeric: tabular-nums; }
.vhi-ring { position: absolute; top: 0; left: 0; box-sizing: border-box; border: 1px solid #7fd4ff; border-radius: 50%; outline: .5px solid #000; z-index: 5; pointer-events: none; }
.vhi-cross { position: absolute; top: 0; left: 0; z-index: 5; pointer-events: none; }
.vhi-cross::before, .vhi-cross::after { content: ''; position: absolute; background: #7fd4ff; box-shadow: 0 0 0 .5px #000; }
.vhi-cross::before { width: 17px; height: 1px; left: -8px; top: 0; }
.vhi-cross::after { width: 1px; height: 17px; left: 0; top: -8px; }
`;

export function addStyle() {
  if (document.getElementById('vhi-style')) return;
  const style = document.createElement('style');
  style.id = 'vhi-style';
  style.textContent = TEXT;
  document.head.append(style);
}
