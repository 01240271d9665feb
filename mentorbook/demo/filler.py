"""Words that make a hundred thousand tickets differ as real ones do: few words often, many words seldom."""

from itertools import accumulate

WORDS = """
error file line code value function test page list user data name output program call import class method table query
request server answer result loop string number key object array column row message version project library module
package environment terminal script command path folder branch commit variable parameter argument return type interface
index record field form button event click layout screen window browser network connection timeout thread process memory
cache session token password login permission role group model view template route handler request middleware socket
queue worker job schedule backup log trace debug breakpoint profiler benchmark latency throughput cluster container
image volume registry deployment pipeline runner artifact release rollback migration schema constraint trigger cursor
transaction isolation deadlock replica shard partition hash tree graph node edge matrix vector tensor gradient epoch
batch layer kernel stride padding overfitting regression residual variance quantile histogram outlier bootstrap sampling
hypothesis estimator likelihood posterior prior convergence tolerance overflow underflow rounding precision encoding
unicode locale timezone offset daylight calendar interval duration deadline invoice order customer shipment warehouse
lecture seminar thesis chapter appendix bibliography citation figure caption margin footnote abstract supervisor
semester exercise sheet tutor exam group presentation poster survey questionnaire interview transcript
""".split()
VERBS = """
load save parse read write send fetch build merge split sort filter count find check apply update delete insert render
compile deploy restart connect retry resolve convert encode decode compress validate normalise schedule dispatch
""".split()
SMALL = "the a in of and to is it my with when after for on not but only then from this that".split()

# Zipf's law: the word of rank n as often as 1/n.
WORD_WEIGHTS = list(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))


def word(random):
    return random.choices(WORDS, cum_weights=WORD_WEIGHTS)[0]


def identifier(random):
    """A name as it stands in code: load_user_table, UserTableError, parse.config."""
    verb, first, second = random.choice(VERBS), random.choice(WORDS), word(random)
    style = random.randrange(4)
    if style == 0:
        return f"{verb}_{first}_{second}"
    if style == 1:
        return f"{first.title()}{second.title()}Error"
    if style == 2:
        return f"{first}.{verb}"
    return f"{verb}{first.title()}{random.randrange(1000)}"


def subject(random):
    """What somebody's version of a question is about."""
    return f"{word(random)} {word(random)} in {identifier(random)}"


def sentence(random):
    words = []
    for _ in range(random.randrange(5, 12)):
        words += [random.choice(SMALL), word(random)]
    return f"{' '.join(words).capitalize()}."


def paragraph(random):
    """Some sentences and a name from code."""
    sentences = " ".join(sentence(random) for _ in range(random.randrange(2, 5)))
    return f"{sentences} It happens in `{identifier(random)}`."
