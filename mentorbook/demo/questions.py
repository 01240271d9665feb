"""Questions in writing and how they were solved: the tickets of the demo data. The code in them is meant to be right.

`titles` are several people's ways to ask the same, `openings` what they begin with, `talk` what was said on the way
(who, text), `failed` a first solution that did not hold and why, where there was one.
"""

from typing import NamedTuple


class Question(NamedTuple):
    tags: list[str]
    titles: list[str]
    openings: list[str]
    details: str
    talk: list[tuple[str, str]]
    solution: str
    failed: tuple[str, str] | None = None


STUDENT, MENTOR = "student", "mentor"

QUESTIONS = [
    Question(
        ["python"],
        [
            "My list keeps values from the last call",
            "Default argument remembers everything",
            "Why does an empty list as default grow?",
            "Function returns old results the second time",
        ],
        ["This drives me mad since yesterday.", "In our exercise the second test fails, alone it passes.", ""],
        """\
```python
def add_grade(grade, grades=[]):
    grades.append(grade)
    return grades

print(add_grade(1))  # [1]
print(add_grade(2))  # [1, 2]  <- I expected [2]
```

I never call it with a list of my own.""",
        [
            (MENTOR, "When do you think the `[]` in the first line is made: at every call, or once?"),
            (STUDENT, "At every call, I thought. So it is once?"),
        ],
        """\
A default value is made **once**, when `def` is executed, and all calls share it. Use `None` for "nothing given":

```python
def add_grade(grade, grades=None):
    if grades is None:
        grades = []
    grades.append(grade)
    return grades
```

The same holds for `{}` and for objects of your own.""",
    ),
    Question(
        ["python"],
        [
            "KeyError although the key is in the dictionary",
            "Dictionary from a CSV file does not find its keys",
            "dict['42'] works in the shell, not in my program",
            "Looking up an id gives KeyError: 17",
        ],
        ["I print the dictionary and I can see the key.", "The data comes from a CSV file.", ""],
        """\
```python
import csv

with open("students.csv", newline="") as file:
    names = {row["id"]: row["name"] for row in csv.DictReader(file)}

print(names[17])
```

```text
KeyError: 17
```""",
        [
            (MENTOR, "What does `print(repr(next(iter(names))))` say?"),
            (STUDENT, "`'17'`, with quotes."),
        ],
        """\
Everything that `csv` reads is text, so the key is `"17"` and you look for the number `17`. Convert where you read:

```python
names = {int(row["id"]): row["name"] for row in csv.DictReader(file)}
```

`repr()` shows such differences, `print()` alone hides them.""",
    ),
    Question(
        ["python", "testing"],
        [
            "Test passes alone and fails together with the others",
            "pytest: result depends on the order of the tests",
            "One of my tests is red only in CI",
            "Fixture seems to be shared between tests",
        ],
        ["With `pytest -k` it is green.", "On the server it fails, here it does not.", ""],
        """\
```python
CACHE = {}

def price(article):
    if article not in CACHE:
        CACHE[article] = ask_shop(article)
    return CACHE[article]

def test_price_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr("shop.ask_shop", lambda article: asked.append(article) or 5)
    price("tea")
    price("tea")
    assert asked == ["tea"]
```

`asked` is `[]` when I run the whole file.""",
        [
            (MENTOR, "Which other test asks for tea before this one?"),
            (STUDENT, "The one above. Oh. The cache is still full."),
        ],
        """\
`CACHE` lives as long as the process, so what one test asks is there for the next. Empty it around each test:

```python
import pytest
from shop import CACHE

@pytest.fixture(autouse=True)
def empty_cache():
    CACHE.clear()
    yield
    CACHE.clear()
```

Better still: `functools.lru_cache` on `price`, and `price.cache_clear()` in the fixture, so the state has one owner.""",
    ),
    Question(
        ["django", "sql", "python"],
        [
            "Django list page makes 301 queries",
            "Page gets slower with every order",
            "N+1 queries in my template",
            "django-debug-toolbar shows the same SELECT again and again",
        ],
        ["With 10 rows it was fine.", "The page needs nine seconds now.", ""],
        """\
```python
def orders(request):
    return render(request, "orders.html", {"orders": Order.objects.all()})
```

```html
{% for order in orders %}
  {{ order.customer.name }}: {{ order.items.count }} items
{% endfor %}
```""",
        [
            (MENTOR, "Which lines of the template need another table?"),
            (STUDENT, "`customer.name` and `items.count`, so two for each row?"),
        ],
        """\
Each row asks for its customer and for its number of items. Ask for both with the list:

```python
from django.db.models import Count

orders = (
    Order.objects.select_related("customer")
    .annotate(item_count=Count("items"))
)
```

and write `{{ order.item_count }}` in the template. One query instead of 301. `django_assert_num_queries` in a test keeps
it that way.""",
        failed=(
            "Try `Order.objects.prefetch_related('customer', 'items')`.",
            "The customers are quick now, but `items.count` still asks once a row.",
        ),
    ),
    Question(
        ["django", "python"],
        [
            "Form forgets what was typed after an error",
            "After a validation error the fields are empty",
            "How do I keep the input when form.is_valid() is False?",
            "Django form comes back blank",
        ],
        ["My users hate it.", "The error message is there, the words are gone.", ""],
        """\
```python
def book(request):
    if request.method == "POST":
        form = BookingForm(request.POST)
        if form.is_valid():
            form.save()
            return redirect("done")
    form = BookingForm()
    return render(request, "book.html", {"form": form})
```""",
        [(MENTOR, "Follow a wrong POST line by line: which form does the template get at the end?")],
        """\
The last but one line replaces the bound form with an empty one. Only make an empty form for GET:

```python
def book(request):
    form = BookingForm(request.POST or None)
    if form.is_valid():
        form.save()
        return redirect("done")
    return render(request, "book.html", {"form": form})
```

A bound form shows what was typed and its errors.""",
    ),
    Question(
        ["django", "postgresql"],
        [
            "Two people book the last seat at the same time",
            "Race condition when two requests save at once",
            "select_for_update does not seem to help",
            "How do I make sure a seat is sold once?",
        ],
        ["It happened once at our club evening.", "I can reproduce it with two browsers.", ""],
        """\
```python
def sell(event):
    if event.tickets.count() < event.seats:
        Ticket.objects.create(event=event)
```

With `ab -c 20` I end up with 23 tickets for 20 seats.""",
        [
            (MENTOR, "What can happen between the `count()` and the `create()`?"),
            (STUDENT, "Another request can do the same, so both see 19."),
        ],
        """\
Lock something that both must pass, then ask again:

```python
from django.db import transaction

@transaction.atomic
def sell(event_id):
    event = Event.objects.select_for_update().get(pk=event_id)
    if event.tickets.count() >= event.seats:
        raise SoldOut
    return Ticket.objects.create(event=event)
```

The second transaction waits at `select_for_update()` until the first has committed, and counts 20 then. Locking the
tickets would not help: the row that is missing cannot be locked.""",
    ),
    Question(
        ["sql"],
        [
            "COUNT is too high after a JOIN",
            "Sum doubles when I join a second table",
            "LEFT JOIN gives more rows than the table has",
            "Why are my totals wrong with two joins?",
        ],
        ["The numbers in my report are too good to be true.", "With one join it is right.", ""],
        """\
```sql
SELECT c.name, COUNT(o.id) AS orders, COUNT(r.id) AS reviews
FROM customer c
LEFT JOIN orders o ON o.customer_id = c.id
LEFT JOIN review r ON r.customer_id = c.id
GROUP BY c.name;
```

Somebody with 3 orders and 2 reviews gets 6 and 6.""",
        [(MENTOR, "Leave out the GROUP BY for that one customer. How many rows do you get, and why?")],
        """\
Each order is combined with each review: 3 × 2 = 6 rows, and both counts see all of them. Count each side by itself:

```sql
SELECT c.name,
       (SELECT COUNT(*) FROM orders o WHERE o.customer_id = c.id) AS orders,
       (SELECT COUNT(*) FROM review r WHERE r.customer_id = c.id) AS reviews
FROM customer c;
```

`COUNT(DISTINCT o.id)` works for counts as well, but not for sums.""",
        failed=(
            "Write `SELECT DISTINCT c.name, …` at the beginning.",
            "Still 6 and 6: DISTINCT works on the rows after they were counted.",
        ),
    ),
    Question(
        ["sql", "postgresql"],
        [
            "Index is there and PostgreSQL does not use it",
            "Seq Scan although there is an index",
            "WHERE lower(email) is slow",
            "Query plan ignores my index on email",
        ],
        ["800,000 rows, four seconds.", "I made the index and nothing changed.", ""],
        """\
```sql
CREATE INDEX person_email ON person (email);
EXPLAIN ANALYZE SELECT * FROM person WHERE lower(email) = 'ann@example.org';
```

```text
Seq Scan on person  (cost=0.00..21834.00 rows=4000 width=212) (actual time=0.02..3911.43 rows=1 loops=1)
  Filter: (lower((email)::text) = 'ann@example.org'::text)
```""",
        [(MENTOR, "The index is sorted by `email`. What are you asking for?")],
        """\
You ask for `lower(email)`, which stands in no index. Index what you ask for:

```sql
CREATE INDEX person_email_lower ON person (lower(email));
ANALYZE person;
```

Then the plan says `Index Scan using person_email_lower`. The `ANALYZE` gives the planner figures about the new
expression.""",
    ),
    Question(
        ["javascript"],
        [
            "Promises in a loop arrive in the wrong order",
            "await inside forEach does not wait",
            "My function returns before the data is there",
            "async in forEach: result is an empty array",
        ],
        ["I print in the loop and it looks right.", "The array is full in the debugger and empty in the code.", ""],
        """\
```javascript
async function load(ids) {
  const people = [];
  ids.forEach(async (id) => {
    const answer = await fetch(`/people/${id}`);
    people.push(await answer.json());
  });
  return people; // []
}
```""",
        [
            (MENTOR, "Who waits for the promises that your arrow function returns?"),
            (STUDENT, "`forEach`? But it does not look at them, does it."),
        ],
        """\
`forEach` throws away what your function returns, so nobody waits. All at once, in the order of `ids`:

```javascript
async function load(ids) {
  return Promise.all(
    ids.map(async (id) => {
      const answer = await fetch(`/people/${id}`);
      if (!answer.ok) throw new Error(`${id}: ${answer.status}`);
      return answer.json();
    }),
  );
}
```

One after the other: `for (const id of ids) { … await … }`.""",
    ),
    Question(
        ["javascript"],
        [
            "Why is `this` undefined in my callback",
            "Method works when I call it, not as event handler",
            "TypeError: Cannot read properties of undefined (reading 'count')",
            "Class method loses this",
        ],
        ["Only when I pass it on.", "It is a small counter for our course.", ""],
        """\
```javascript
class Counter {
  count = 0;
  add() {
    this.count += 1;
  }
}
const counter = new Counter();
button.addEventListener("click", counter.add);
```""",
        [(MENTOR, "`counter.add` is just the function. What stands left of the dot when the button calls it?")],
        """\
`this` is what stands left of the dot at the **call**, and the button calls a bare function. Keep the object with it:

```javascript
button.addEventListener("click", () => counter.add());
```

or make the method an arrow function in the class: `add = () => { this.count += 1; };`.""",
    ),
    Question(
        ["react", "javascript"],
        [
            "useEffect runs again and again",
            "Endless requests after adding a dependency",
            "React: fetch in useEffect never stops",
            "Component renders for ever",
        ],
        ["The network tab explodes.", "The linter told me to add the dependency.", ""],
        """\
```jsx
function People({ team }) {
  const [people, setPeople] = useState([]);
  const options = { team, limit: 20 };

  useEffect(() => {
    load(options).then(setPeople);
  }, [options]);
  ...
}
```""",
        [
            (MENTOR, "Is `options` of this render the same object as `options` of the last one?"),
            (STUDENT, "It has the same content. Ah, but it is a new object."),
        ],
        """\
Dependencies are compared with `Object.is`, and `{…}` makes a new object at each render. Depend on the values:

```jsx
useEffect(() => {
  let gone = false;
  load({ team, limit: 20 }).then((found) => {
    if (!gone) setPeople(found);
  });
  return () => {
    gone = true;
  };
}, [team]);
```

The `gone` flag keeps an old answer from overwriting a newer one.""",
        failed=(
            "Leave the dependency array empty.",
            "It stops, but when I choose another team the list stays the old one.",
        ),
    ),
    Question(
        ["typescript"],
        [
            "Object is possibly 'undefined' after I checked it",
            "TypeScript forgets my check inside a callback",
            "Narrowing does not work in an arrow function",
            "Why must I check twice for undefined?",
        ],
        ["Two lines above I return if it is undefined.", "", "With `!` it compiles, but that feels wrong."],
        """\
```typescript
let current: User | undefined = find(id);
if (!current) return;
items.forEach((item) => {
  console.log(current.name); // 'current' is possibly 'undefined'
});
```""",
        [(MENTOR, "Could somebody change `current` between the check and the moment the callback runs?")],
        """\
`current` is declared with `let`, so it could be reassigned before the callback runs, and the check no longer counts
there. With `const` it cannot:

```typescript
const current = find(id);
if (!current) return;
items.forEach((item) => console.log(current.name));
```""",
    ),
    Question(
        ["css", "html"],
        [
            "Long word breaks my layout on the phone",
            "Flex item does not shrink",
            "Page scrolls sideways at 390 pixels",
            "text-overflow: ellipsis is ignored",
        ],
        ["On my screen it is fine.", "One customer has a very long name.", ""],
        """\
```css
.row { display: flex; gap: 1rem; }
.row .name { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
```

```html
<div class="card"><div class="row"><div class="who"><span class="name">Wolfeschlegelsteinhausenbergerdorff</span></div></div></div>
```""",
        [(MENTOR, "Which element is the flex item here, `.who` or `.name`?")],
        """\
The flex item is `.who`, and a flex item's `min-width` is `auto`: it never gets narrower than its content. Allow it:

```css
.row .who { flex: 1; min-width: 0; }
.row .name { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
```""",
    ),
    Question(
        ["git"],
        [
            "I committed to main instead of my branch",
            "Move my last two commits to a new branch",
            "Committed on the wrong branch, not pushed yet",
            "How do I take commits off main without losing them?",
        ],
        ["Nothing is pushed.", "Please no solution where I copy files by hand.", ""],
        """\
```text
$ git log --oneline -4
9f2c1aa (HEAD -> main) Add the export
51be0c3 Read the settings
77d0a1e (origin/main) Release 1.4
```""",
        [],
        """\
A branch is only a name for a commit, so give the commits another name and move `main` back:

```bash
git branch export          # the commits stay here
git reset --hard origin/main
git switch export
```

`reset --hard` throws away what is not committed, so look at `git status` first.""",
    ),
    Question(
        ["git"],
        [
            "Password in the repository, how do I remove it?",
            "I pushed an API key",
            "Delete a file from the whole history of git",
            "Secret was committed a month ago",
        ],
        ["It is a public repository.", "It is on a private server, luckily.", ""],
        """\
The file `.env` was in three commits. I deleted it and committed, but it can still be seen with `git log -p`.""",
        [(MENTOR, "First question before git: is the key still valid?"), (STUDENT, "Yes. Should I change it first?")],
        """\
1. **Make the key worthless first**: revoke it and make a new one. Whoever cloned the repository has it.
2. Then rewrite the history and tell everybody to clone again:

```bash
git filter-repo --invert-paths --path .env
git push --force --all
```

3. Add `.env` to `.gitignore`, and keep an `.env.example` without values.""",
    ),
    Question(
        ["docker"],
        [
            "Container starts and exits with code 0 at once",
            "docker run ends immediately",
            "My service does not stay up in Docker",
            "Container stops right after the start",
        ],
        ["No error at all.", "On my machine the script works.", ""],
        """\
```dockerfile
FROM python:3.12-slim
COPY . /app
CMD service myapp start
```

```text
$ docker run myapp
$ docker ps -a
STATUS: Exited (0) 1 second ago
```""",
        [(MENTOR, "What is the one process that Docker waits for, and when does it end?")],
        """\
A container lives as long as its first process. `service … start` starts something in the background and ends. Run the
program itself, in the foreground:

```dockerfile
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
CMD ["python", "-m", "myapp"]
```

The form with brackets hands signals to your program, so `docker stop` ends it cleanly.""",
    ),
    Question(
        ["docker", "postgresql"],
        [
            "connection refused between two containers",
            "Compose: web cannot reach the database on localhost",
            "psycopg.OperationalError: connection to server at 127.0.0.1 failed",
            "Database container is up and my app does not find it",
        ],
        ["From my machine I can connect.", "", "Both containers are green."],
        """\
```yaml
services:
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: example }
  web:
    build: .
    environment: { DATABASE_URL: "postgres://postgres:example@localhost:5432/postgres" }
```

```text
psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 5432 failed: Connection refused
```""",
        [(MENTOR, "Inside the container `web`, who is localhost?")],
        """\
Inside `web`, localhost is `web`. Services reach each other by name, and the database needs a moment:

```yaml
services:
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: example }
    healthcheck:
      test: ["CMD", "pg_isready", "-U", "postgres"]
      interval: 2s
  web:
    build: .
    depends_on: { db: { condition: service_healthy } }
    environment: { DATABASE_URL: "postgres://postgres:example@db:5432/postgres" }
```""",
    ),
    Question(
        ["linux"],
        [
            "Permission denied although I am the owner",
            "bash: ./run.sh: Permission denied",
            "Script works with bash run.sh but not with ./run.sh",
            "chmod +x does not help on my USB stick",
        ],
        ["`ls -l` says it is mine.", "", "I have no root rights on the lab machines."],
        """\
```text
$ ls -l run.sh
-rw-r--r-- 1 ann students 214 Nov  3 10:12 run.sh
$ ./run.sh
bash: ./run.sh: Permission denied
```""",
        [(MENTOR, "Read the first column aloud: what may the owner do?")],
        """\
`rw-` is read and write; to *run* a file you need `x`:

```bash
chmod u+x run.sh
head -1 run.sh        # should be #!/usr/bin/env bash
```

On a stick or a share that is mounted with `noexec` nothing can be run (`mount | grep noexec`); copy it to your home.""",
    ),
    Question(
        ["c"],
        [
            "Segmentation fault in a linked list",
            "Crash when the list has one element",
            "free() and then segfault",
            "valgrind: Invalid read of size 8",
        ],
        ["It only happens sometimes.", "With gdb it crashes in another line each time.", ""],
        """\
```c
void clear(struct node *head) {
    for (struct node *n = head; n != NULL; n = n->next)
        free(n);
}
```

```text
Invalid read of size 8
  at 0x1091C2: clear (list.c:14)
Address 0x4a9c048 is 8 bytes inside a block of size 16 free'd
```""",
        [
            (MENTOR, "In which order are `free(n)` and `n = n->next` executed?"),
            (STUDENT, "First free, then I read from it. That cannot work."),
        ],
        """\
You read `n->next` after `n` was given back. Keep the next one before:

```c
void clear(struct node *head) {
    while (head != NULL) {
        struct node *next = head->next;
        free(head);
        head = next;
    }
}
```

`gcc -g -fsanitize=address` tells you such things with the line, at the first run.""",
    ),
    Question(
        ["c++"],
        [
            "Vector changes while I loop over it",
            "Iterator invalid after push_back",
            "Random crash in a range-for over std::vector",
            "erase in a loop skips elements",
        ],
        ["In debug mode it asserts, in release it crashes later.", "", "With a list it works."],
        """\
```cpp
for (auto it = bullets.begin(); it != bullets.end(); ++it) {
    if (it->gone)
        bullets.erase(it);
}
```""",
        [(MENTOR, "What does the documentation of `vector::erase` say about iterators at and after the position?")],
        """\
`erase` invalidates the iterator. Let the library do the whole job:

```cpp
std::erase_if(bullets, [](const Bullet& bullet) { return bullet.gone; });  // C++20
```

Before C++20: `bullets.erase(std::remove_if(bullets.begin(), bullets.end(), gone), bullets.end());`. Both move each
element once, while erasing one by one is quadratic.""",
        failed=(
            "Write `it = bullets.erase(it);` and keep the loop.",
            "It does not crash any more, but of two neighbours only the first goes.",
        ),
    ),
    Question(
        ["java"],
        [
            "== is false for two equal Strings",
            "Comparing strings works in one test only",
            'Why does if (name == "ann") fail?',
            "String from Scanner is never equal",
        ],
        ["I print both and they look the same.", "", "With a literal it works, with input it does not."],
        """\
```java
String name = scanner.nextLine();
if (name == "ann") {
    System.out.println("Hello");
}
```""",
        [],
        """\
`==` asks whether both are the *same object*. Compare the content:

```java
if ("ann".equals(name)) {
    System.out.println("Hello");
}
```

Literals are shared by the compiler, that is why it seemed to work. With the literal first, `null` does no harm.""",
    ),
    Question(
        ["java", "testing"],
        [
            "How do I test a class that uses the current time?",
            "Test fails after midnight",
            "LocalDate.now() in a unit test",
            "Test a due date without waiting",
        ],
        ["It is our course project, a library.", "", "On Friday it was green."],
        """\
```java
public boolean isOverdue() {
    return LocalDate.now().isAfter(dueOn);
}
```""",
        [(MENTOR, "What would the method need so that the test decides what day it is?")],
        """\
Hand the clock in, as you would any other thing that it depends on:

```java
public class Loan {
    private final Clock clock;
    private final LocalDate dueOn;

    public Loan(LocalDate dueOn, Clock clock) {
        this.dueOn = dueOn;
        this.clock = clock;
    }

    public boolean isOverdue() {
        return LocalDate.now(clock).isAfter(dueOn);
    }
}
```

In the test: `Clock.fixed(Instant.parse("2026-03-01T12:00:00Z"), ZoneOffset.UTC)`; in the program `Clock.systemDefaultZone()`.""",
    ),
    Question(
        ["rust"],
        [
            "cannot borrow as mutable because it is also borrowed as immutable",
            "Borrow checker: push while holding a reference",
            "error[E0502] in a very small program",
            "Why may I not push to my Vec here?",
        ],
        ["In Python this is two lines.", "", "The compiler is probably right, I want to know why."],
        """\
```rust
let mut names = vec![String::from("ann")];
let first = &names[0];
names.push(String::from("max"));
println!("{first}");
```

```text
error[E0502]: cannot borrow `names` as mutable because it is also borrowed as immutable
```""",
        [(MENTOR, "What may `push` do with the memory when the vector is full? And where does `first` point then?")],
        """\
`push` may move the whole vector to a larger place, and `first` would point to nothing. End the borrow before, or own a copy:

```rust
let first = names[0].clone();
names.push(String::from("max"));
println!("{first}");
```

If you only need the position, keep the index instead of the reference.""",
    ),
    Question(
        ["go"],
        [
            "Goroutines that never end",
            "Memory grows every hour",
            "Leak in a worker with channels",
            "runtime.NumGoroutine() rises and rises",
        ],
        ["After a day the service is killed.", "", "pprof shows thousands of `chan send`."],
        """\
```go
func first(urls []string) string {
	found := make(chan string)
	for _, url := range urls {
		go func() { found <- get(url) }()
	}
	return <-found
}
```""",
        [(MENTOR, "One value is received. Where are the other goroutines at that moment?")],
        """\
All but the quickest wait for ever to send. Give the channel room for everybody, and tell the slow ones to stop:

```go
func first(ctx context.Context, urls []string) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan string, len(urls))
	for _, url := range urls {
		go func() { found <- get(ctx, url) }()
	}
	return <-found
}
```""",
    ),
    Question(
        ["r", "statistics"],
        [
            "Which test for two groups on a Likert scale?",
            "t-test or Mann-Whitney for my survey?",
            "48 answers, 5 steps: is a t-test allowed?",
            "Comparing satisfaction of two groups",
        ],
        ["My supervisor says 'just use a t-test'.", "", "It is for a term paper, deadline in two weeks."],
        """\
Two groups, 22 and 26 people, one question with five answers from "not at all" to "very much".

```r
table(survey$group, survey$satisfied)
#      1 2 3 4 5
#   A  1 4 6 8 3
#   B  4 9 7 5 1
```""",
        [
            (MENTOR, "Are the distances between the five answers equal for your readers? What do you want to claim?"),
            (STUDENT, "Only that A is more satisfied than B."),
        ],
        """\
For one ordinal item and that claim, the Wilcoxon–Mann–Whitney test fits, and an effect size that one can read:

```r
wilcox.test(satisfied ~ group, data = survey, exact = FALSE)
# probability that somebody of A is more satisfied than somebody of B
with(survey, mean(outer(satisfied[group == "A"], satisfied[group == "B"], ">") +
                  0.5 * outer(satisfied[group == "A"], satisfied[group == "B"], "==")))
```

Report the probability, not only the p-value, and show the table. For a *sum* of many items a t-test is usually fine.""",
    ),
    Question(
        ["data-analysis", "python"],
        [
            "SettingWithCopyWarning in pandas",
            "My column does not change and pandas warns",
            "df[df.a > 0]['b'] = 1 does nothing",
            "Assignment to a filtered DataFrame is lost",
        ],
        ["It is only a warning, but the values stay.", "", "I read the page it links to and understood less."],
        """\
```python
import pandas as pd

df = pd.DataFrame({"points": [3, -1, 5], "grade": ["", "", ""]})
df[df.points > 0]["grade"] = "passed"
print(df)
```""",
        [],
        """\
`df[…]` makes a new table and you write into that one. Choose rows and column in **one** step:

```python
df.loc[df.points > 0, "grade"] = "passed"
```

If you want a table of its own, say so: `passed = df[df.points > 0].copy()`.""",
    ),
    Question(
        ["machine-learning", "python"],
        [
            "Validation loss goes up while training loss falls",
            "99 % in training, 61 % on the test set",
            "Is my network overfitting?",
            "Accuracy drops on new data",
        ],
        ["It looked so good.", "900 documents, six classes.", ""],
        """\
```python
vectorizer = TfidfVectorizer().fit(texts)
X = vectorizer.transform(texts)
X_train, X_test, y_train, y_test = train_test_split(X, labels, test_size=0.2)
model = MLPClassifier(hidden_layer_sizes=(512, 512), max_iter=500).fit(X_train, y_train)
print(model.score(X_train, y_train), model.score(X_test, y_test))  # 0.99 0.61
```""",
        [
            (MENTOR, "What does the most frequent class alone score, and what does logistic regression?"),
            (STUDENT, "34 % and 72 %. So the simple one is better?"),
        ],
        """\
With 900 texts a large network learns them by heart. Begin with the simple model, keep everything that learns inside the
pipeline, and judge by cross-validation:

```python
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

model = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=3, max_iter=1000))
scores = cross_val_score(model, texts, labels, cv=5)
print(scores.mean(), scores.std())
```

Your vectorizer had seen the test texts too, which made even the 61 % too friendly.""",
    ),
    Question(
        ["pytorch", "machine-learning", "python"],
        [
            "Expected all tensors to be on the same device",
            "RuntimeError: cuda:0 and cpu",
            "Model is on the GPU, loss fails",
            "PyTorch complains about two devices",
        ],
        ["On my laptop it works.", "", "The lab machine has a GPU."],
        """\
```python
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
for x, y in loader:
    loss = criterion(model(x.to(device)), y)
```

```text
RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!
```""",
        [],
        """\
`x` moves, `y` stays on the CPU. Move everything that meets in one operation:

```python
for x, y in loader:
    x, y = x.to(device), y.to(device)
    loss = criterion(model(x), y)
```

Tensors that you make inside the model belong to a buffer (`self.register_buffer`), then `.to(device)` takes them along.""",
    ),
    Question(
        ["latex", "academic-writing"],
        [
            "LaTeX figure ends up three pages later",
            "How do I keep a figure where I wrote it?",
            "[h] is ignored in my thesis",
            "All my tables move to the end of the chapter",
        ],
        ["The text says 'see below' and below is nothing.", "", "My supervisor dislikes white space."],
        """\
```latex
As the figure below shows:
\\begin{figure}[h]
  \\centering
  \\includegraphics[width=\\linewidth]{results.pdf}
  \\caption{Results}
\\end{figure}
```""",
        [(MENTOR, "How tall is the figure, and how much of the page is left at that point?")],
        """\
A figure floats, because it often does not fit where it stands. Allow it more places, and refer to it by number:

```latex
As Figure~\\ref{fig:results} shows, \\dots
\\begin{figure}[tbp]
  \\centering
  \\includegraphics[width=\\linewidth]{results.pdf}
  \\caption{Results}\\label{fig:results}
\\end{figure}
```

`\\usepackage[section]{placeins}` keeps figures inside their section. `[H]` of the package `float` forces the place, at
the price of white space.""",
    ),
    Question(
        ["security", "python"],
        [
            "Is it safe to build SQL with an f-string?",
            "SQL injection in my login form",
            "My query breaks for O'Brien",
            "Escaping quotes in SQL by hand",
        ],
        ["It works for all names but one.", "The tutor wrote 'danger' in the margin.", ""],
        """\
```python
cursor.execute(f"SELECT id FROM person WHERE name = '{name}' AND password = '{password}'")
```""",
        [
            (MENTOR, "What does the statement look like when somebody types `' OR '1'='1` as the password?"),
            (STUDENT, "Then the WHERE is always true. Oh no."),
        ],
        """\
Never put values into the text of a statement. Hand them over beside it:

```python
cursor.execute("SELECT id, password_hash FROM person WHERE name = %s", [name])
```

The driver sends them separately, so they can never become SQL; O'Brien works too. And do not compare passwords in SQL:
store a hash (`argon2-cffi`) and verify it in Python.""",
    ),
    Question(
        ["node.js", "javascript"],
        [
            "Node process crashes on one bad request",
            "Unhandled promise rejection in Express",
            "API goes down when JSON is broken",
            "Server ends with ERR_UNHANDLED_REJECTION",
        ],
        ["One student sent a number as text and everything was gone.", "", "Express 4."],
        """\
```javascript
app.post("/points", async (request, response) => {
  const person = await people.find(request.body.id);
  await person.add(request.body.points);
  response.json(person);
});
```""",
        [(MENTOR, "Who catches what `people.find` throws?")],
        """\
Express 4 does not look at the promise, so a rejection belongs to nobody. Hand errors on, and check the input first:

```javascript
const handled = (handler) => (request, response, next) => handler(request, response).catch(next);

app.post("/points", handled(async (request, response) => {
  const points = Number(request.body.points);
  if (!Number.isInteger(points)) return response.status(422).json({ detail: "points must be a whole number" });
  const person = await people.find(request.body.id);
  if (!person) return response.status(404).json({ detail: "nobody has this id" });
  await person.add(points);
  response.json(person);
}));

app.use((error, request, response, next) => {
  console.error(error);
  response.status(500).json({ detail: "that did not work" });
});
```

Express 5 hands rejections on by itself.""",
    ),
    Question(
        ["c#"],
        [
            "Collision detection fails at high speed",
            "Ball falls through the floor",
            "Fast objects pass through walls in my game",
            "Why does my bullet miss thin walls?",
        ],
        ["At low speed everything is fine.", "", "It is a small 2D game for the course."],
        """\
```csharp
void Update(float dt) {
    position += velocity * dt;
    if (floor.Contains(position)) velocity.Y = -velocity.Y;
}
```""",
        [(MENTOR, "The ball makes 2,000 pixels a second and the floor is 10 thick. How far is it between two frames?")],
        """\
It jumps 33 pixels a frame and is never *inside* the floor. Test the way, not the place:

```csharp
void Update(float dt) {
    Vector2 next = position + velocity * dt;
    if (velocity.Y > 0 && position.Y <= floor.Top && next.Y >= floor.Top) {
        float share = (floor.Top - position.Y) / (next.Y - position.Y);
        position = Vector2.Lerp(position, next, share);
        velocity.Y = -velocity.Y;
    } else {
        position = next;
    }
}
```

Or take several small steps a frame, which helps with every shape.""",
    ),
    Question(
        ["algorithms"],
        [
            "Dynamic programming: how do I find the recursion?",
            "Coin change: greedy gives the wrong answer",
            "Fewest coins for an amount",
            "When may I be greedy?",
        ],
        ["I can see the solution once I have read it, never before.", "", "Interview on Thursday."],
        """\
Coins 1, 3 and 4, amount 6. My greedy program takes 4 + 1 + 1, but 3 + 3 is better.

```python
def coins(amount, values):
    count = 0
    for value in sorted(values, reverse=True):
        count += amount // value
        amount %= value
    return count
```""",
        [
            (MENTOR, "Suppose you knew the best answer for every smaller amount. What is the last coin you add?"),
            (STUDENT, "One of the three, and before it the best answer for the rest."),
        ],
        """\
That is the whole recursion: `best(a) = 1 + min(best(a - v) for v in values)`, with `best(0) = 0`. From small to large:

```python
def coins(amount, values):
    best = [0] + [float("inf")] * amount
    for a in range(1, amount + 1):
        best[a] = min((1 + best[a - v] for v in values if v <= a), default=float("inf"))
    return best[amount]
```

Greedy is right only where you can prove that the largest coin is always part of a best answer.""",
    ),
    Question(
        ["kubernetes", "docker"],
        [
            "Pod is in CrashLoopBackOff",
            "Pod restarts every 30 seconds",
            "Liveness probe kills my container",
            "Deployment never becomes ready",
        ],
        ["Locally the image runs.", "", "It worked until I added the probe."],
        """\
```yaml
livenessProbe:
  httpGet: { path: /health, port: 8080 }
  periodSeconds: 5
```

```text
Liveness probe failed: Get "http://10.1.0.7:8080/health": dial tcp 10.1.0.7:8080: connect: connection refused
```""",
        [(MENTOR, "How long does the program need until it listens? And on which address?"), (STUDENT, "About 20 s.")],
        """\
The probe asks from the first second and gives up after three failures, 15 seconds. Give the start a probe of its own:

```yaml
startupProbe:
  httpGet: { path: /health, port: 8080 }
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /health, port: 8080 }
  periodSeconds: 10
```

Until the startup probe has succeeded, the other does not ask. `kubectl logs POD --previous` shows what the killed one said.""",
    ),
    Question(
        ["ci", "git", "testing"],
        [
            "CI is green and production is broken",
            "Pipeline does not run on pull requests from forks",
            "Tests are skipped in CI without a word",
            "0 tests ran, and the job is green",
        ],
        ["I only saw it because the numbers were too good.", "", ""],
        """\
```yaml
test:
  script:
    - pip install -r requirements.txt
    - pytest tests || true
```""",
        [],
        """\
`|| true` makes every result a success. Take it away, and let the job fail where nothing ran:

```yaml
test:
  script:
    - pip install -r requirements.txt
    - pytest tests --strict-markers -ra
```

pytest ends with code 5 when it finds no tests, so that is red now as well. `-ra` names what was skipped and why.""",
    ),
    Question(
        ["data-structures", "python"],
        [
            "Program is quick with 1,000 lines and hangs with 100,000",
            "if name in names gets slower and slower",
            "Removing duplicates takes minutes",
            "From 2 seconds to 40 minutes with ten times the data",
        ],
        ["The real file has 120,000 lines.", "", "I thought Python was to blame."],
        """\
```python
seen = []
for line in open("log.txt"):
    if line not in seen:
        seen.append(line)
```""",
        [(MENTOR, "How many comparisons does `line not in seen` need for the last line?")],
        """\
`in` looks through the whole list: n lines, n²/2 comparisons. A set finds it at once, and a dict keeps the order as well:

```python
with open("log.txt") as file:
    seen = dict.fromkeys(file)
```

120,000 lines: 40 ms.""",
    ),
    Question(
        [".net", "c#"],
        [
            "The instance of entity type cannot be tracked",
            "Entity Framework: another instance with the same key",
            "Update fails because the entity is tracked already",
            "InvalidOperationException when I save an edited row",
        ],
        ["Reading works, saving does not.", "", "It is the last thing that is missing in our project."],
        """\
```csharp
var old = await db.Books.SingleAsync(book => book.Id == edited.Id);
if (old.Title != edited.Title) log.Add(old.Title);
db.Books.Update(edited);
await db.SaveChangesAsync();
```""",
        [(MENTOR, "How many objects with this key does the context know at the line with `Update`?")],
        """\
Two: the one that you read and the one from the form. Change the one that is tracked:

```csharp
var book = await db.Books.SingleAsync(found => found.Id == edited.Id);
if (book.Title != edited.Title) log.Add(book.Title);
db.Entry(book).CurrentValues.SetValues(edited);
await db.SaveChangesAsync();
```

Or read the old one with `AsNoTracking()` where you only look at it.""",
    ),
    Question(
        ["operating-systems", "c"],
        [
            "fork() prints everything twice",
            "Output appears two times after fork",
            "printf before fork is doubled in a file",
            "Why does the child repeat the line of the parent?",
        ],
        ["In the terminal it is right, with `> out.txt` it is not.", "", "Exercise 3 of operating systems."],
        """\
```c
printf("start\\n");
if (fork() == 0) {
    printf("child\\n");
    return 0;
}
wait(NULL);
```

```text
$ ./a.out > out.txt; cat out.txt
start
child
start
```""",
        [(MENTOR, "Where is the word `start` at the moment of `fork()`: in the file, or still in your program?")],
        """\
In a file `printf` is buffered in blocks, so `start` is still in the program's buffer, and `fork` copies the buffer too.
Both processes write it at their end. Empty it before:

```c
printf("start\\n");
fflush(stdout);
if (fork() == 0) { … }
```

In a terminal the buffer is emptied at each line end, which hides it.""",
    ),
]
