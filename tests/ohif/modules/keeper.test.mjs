import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Keeper } from '../keeper.js';

/** What the server does with drafts of one reader, in memory: refuses who has not seen the newest. */
class Shelf {
  content = null;
  #number = 0;
  calls = 0;
  isDown = false;

  #refuse(seen) {
    if (this.isDown) throw new Error('The server cannot be reached; try again.');
    if ((this.content?.revision ?? null) === seen) return;
    const { revision = null, saved } = this.content ?? {};
    throw Object.assign(new Error('stale'), { status: 409, facts: { revision, saved } });
  }

  async find() {
    return this.content ?? {};
  }

  async save({ state, map }, seen) {
    this.calls += 1;
    this.#refuse(seen);
    this.#number += 1;
    this.content = { state, map, revision: `r${this.#number}`, saved: `t${this.#number}` };
    return this.content;
  }

  async remove(seen) {
    if (seen !== '*') this.#refuse(seen);
    this.content = null;
  }
}

function window_(shelf) {
  const work = { text: '' };
  const keeper = new Keeper(shelf, () => ({ state: { text: work.text }, map: '' }));
  const write = async (text) => {
    work.text = text;
    keeper.changed();
    await keeper.flush();
  };
  return { keeper, write, work };
}

test('changes of one action are saved once, and a change while a save is on its way is saved after it', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const shelf = new Shelf();
  const { keeper, work } = window_(shelf);
  for (const text of ['a', 'ab', 'abc']) {
    work.text = text;
    keeper.changed();
  }
  assert.equal(shelf.calls, 0);
  mock.timers.tick(200);
  work.text = 'abcd';
  keeper.changed();
  await keeper.flush();
  assert.equal(shelf.content.state.text, 'abc');
  mock.timers.tick(0);
  mock.timers.tick(200);
  await keeper.flush();
  assert.deepEqual([shelf.calls, shelf.content.state.text, keeper.isKept], [2, 'abcd', true]);
  mock.timers.reset();
});

test('of two windows the second is told, and nothing is saved until one of them is chosen', async () => {
  const shelf = new Shelf();
  const [one, other] = [window_(shelf), window_(shelf)];
  await one.write('one');
  await other.keeper.open();
  assert.equal(other.keeper.goOn().state.text, 'one');
  await other.write('other');
  await one.write('one again');
  assert.deepEqual(one.keeper.conflict, { revision: 'r2', saved: 't2' });
  await one.write('one once more');
  assert.equal(shelf.content.state.text, 'other');
  one.keeper.takeOver();
  await one.keeper.flush();
  assert.equal(shelf.content.state.text, 'one once more');
  await other.write('late');
  assert.equal((await other.keeper.giveIn()).state.text, 'one once more');
  await other.write('seen');
  assert.equal(shelf.content.state.text, 'seen');
});

test('what another window handed in is told, and going on begins a draft of its own', async () => {
  const shelf = new Shelf();
  const { keeper, write } = window_(shelf);
  await write('one');
  shelf.content = null;
  await write('two');
  assert.deepEqual(keeper.conflict, { revision: null, saved: undefined });
  keeper.takeOver();
  await keeper.flush();
  assert.equal(shelf.content.state.text, 'two');
});

test('while the server is down or the login has ended, it is kept in the page and saved later', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const shelf = new Shelf();
  const { keeper, write } = window_(shelf);
  shelf.isDown = true;
  await write('one');
  assert.deepEqual([keeper.failure, keeper.isKept], ['The server cannot be reached; try again.', false]);
  shelf.isDown = false;
  mock.timers.tick(5000);
  await keeper.flush();
  assert.deepEqual([shelf.content.state.text, keeper.failure, keeper.isKept], ['one', '', true]);
  mock.timers.reset();
});

test('a submission hands in the revision that is kept, and what changes meanwhile is a draft of its own', async () => {
  const shelf = new Shelf();
  const { keeper, write, work } = window_(shelf);
  await write('one');
  assert.equal(await keeper.handingIn(), 'r1');
  work.text = 'two';
  keeper.changed();
  await keeper.flush();
  assert.equal(shelf.calls, 1);
  shelf.content = null; // the server took it
  keeper.handedIn();
  await keeper.flush();
  assert.deepEqual([shelf.content.state.text, keeper.conflict], ['two', null]);
});

test('a submission that was refused leaves the draft as it was, and what was not saved yet is saved', async () => {
  const shelf = new Shelf();
  const { keeper, write, work } = window_(shelf);
  await write('one');
  work.text = 'two';
  keeper.changed();
  await keeper.handingIn();
  keeper.notHandedIn();
  await keeper.flush();
  assert.equal(shelf.content.state.text, 'two');
});

test('what was begun is not saved over before the reader has chosen', async () => {
  const shelf = new Shelf();
  await window_(shelf).write('begun');
  const { keeper, write } = window_(shelf);
  await keeper.open();
  await write('new');
  assert.equal(shelf.content.state.text, 'begun');
  await keeper.startAnew();
  await keeper.flush();
  assert.equal(shelf.content.state.text, 'new');
});
