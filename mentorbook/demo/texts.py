"""The words of the demo data. People are invented; any likeness is chance."""

FIRST_NAMES = """
Ana Bruno Chiara Dmitri Elif Farah Gabriel Hana Ivo Jonas Kaja Leila Mateo Nadia Oskar Priya Quentin Rosa Samuel Tamar Umar
Vera Wanjiru Ximena Yusuf Zofia Amara Bogdan Camille Deniz Emeka Freya Goran Hugo Ines Jun Katya Lukas Mira Noor Olga Pavel
Ravi Sofia Tomas Uma Viktor Wei Yara Zeynep Alma Bilal Clara Diego Eszter Finn Greta Henrik Isabel Jakub Kenji Lena Marco
""".split()

LAST_NAMES = """
Abara Bianchi Castillo Duarte Eriksen Fischer García Haddad Ivanova Jansen Kowalska Lindqvist Moreau Nakamura Okafor Petrov
Quintero Rossi Sharma Tanaka Ueda Vargas Weber Xu Yılmaz Zając Almeida Brandt Costa Dubois Esposito Farouk Gruber Horvat
Ibrahim Jensen Khan Laurent Meyer Novak Olsen Park Ramos Silva Takahashi Urbán Virtanen Wójcik Young Zhang Ahmed Byrne
""".split()

# (headline, tags, what the mentor says)
SPECIALTIES = [
    (
        "Django and databases, without the fog",
        ["python", "django", "postgresql", "sql"],
        "I build and repair web applications. Bring a model that got out of hand, a slow page or a migration you are"
        " afraid of, and we look at it together until you could explain it to someone else.",
    ),
    (
        "From first script to working program",
        ["python", "testing", "git"],
        "Everyone starts with a script that nobody dares to touch. I help you turn yours into something you trust: small"
        " functions, tests that mean something, and a history that tells why.",
    ),
    (
        "JavaScript that still works next year",
        ["javascript", "typescript", "html", "css"],
        "I like pages that are quick and plain. We can go through your front end line by line, find out why it renders"
        " three times, or plan the smallest thing that does the job.",
    ),
    (
        "React, state and the reasons behind it",
        ["react", "typescript", "javascript", "testing"],
        "Hooks are easy to write and hard to read. Bring the component that confuses you; we take it apart and put back"
        " only what is needed.",
    ),
    (
        "Statistics for people who fear formulas",
        ["statistics", "r", "data-analysis"],
        "I explain with pictures first and symbols later. Thesis data, survey analysis, which test and why: all welcome.",
    ),
    (
        "Machine learning with both feet on the ground",
        ["machine-learning", "python", "pytorch", "data-analysis"],
        "Before the model comes the baseline, and before the baseline the data. I help you find out what your numbers can"
        " and cannot say.",
    ),
    (
        "Linux, containers and calm deployments",
        ["linux", "docker", "kubernetes", "ci"],
        "Fifteen years of night shifts taught me to like boring systems. We can read your logs together, write a"
        " Dockerfile you understand or plan a release that you sleep through.",
    ),
    (
        "Algorithms and interviews",
        ["algorithms", "data-structures", "c++"],
        "We solve one problem slowly rather than ten in a hurry. You talk, I listen, and afterwards we look at where the"
        " thought went astray.",
    ),
    (
        "C, memory and what happens underneath",
        ["c", "c++", "linux", "operating-systems"],
        "Segmentation faults are friendly once you know how to ask. I teach gdb, valgrind and reading your own code as"
        " the machine does.",
    ),
    (
        "Java and clean object design",
        ["java", "spring", "testing", "sql"],
        "Design patterns are answers; first we find the question. Good for course projects and for the first job.",
    ),
    (
        "Writing: papers, theses, README files",
        ["academic-writing", "latex", "presentations"],
        "I read drafts. You get honest remarks on structure, argument and sentences, and leave with a plan for the next"
        " two weeks.",
    ),
    (
        "C# and game programming",
        ["c#", ".net", "unity", "algorithms"],
        "Game loops, physics, shaders, and how to finish a small game rather than abandon a big one.",
    ),
    (
        "Security for those who build",
        ["security", "linux", "networking", "python"],
        "I show you your own application the way an attacker sees it, and then how little it takes to shut the door.",
    ),
    (
        "Go and services that talk to each other",
        ["go", "docker", "networking", "postgresql"],
        "Concurrency without tears: channels, contexts, time-outs, and when a plain function is enough.",
    ),
    (
        "Rust, patiently",
        ["rust", "c++", "algorithms"],
        "The borrow checker is a strict friend. We find out what it wants to tell you.",
    ),
    (
        "Node.js and APIs",
        ["node.js", "javascript", "sql", "testing"],
        "From the first endpoint to one that survives bad input, double clicks and a slow network.",
    ),
]

SYNONYMS = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "ts": "typescript",
    "postgres": "postgresql",
    "k8s": "kubernetes",
    "ml": "machine-learning",
    "golang": "go",
    "csharp": "c#",
    "cpp": "c++",
    "nodejs": "node.js",
    "dotnet": ".net",
}

# (what about, details), by a tag that fits
TOPICS = {
    "python": [
        (
            "Understand a recursive function",
            "I can follow it for two calls and then I am lost. Code is in the repository.",
        ),
        ("When to use a class", "My script has 14 functions that all take the same four arguments."),
        ("Virtual environments on Windows", "Installing works, importing does not."),
    ],
    "django": [
        ("A form that forgets what was typed", "After a validation error half the fields are empty again."),
        ("Slow list page", "The page with all orders takes nine seconds. I think it is the template."),
        ("Plan the models for my project", "A library with copies, loans and reservations."),
    ],
    "sql": [("Join or subquery", "Both give the right rows, one takes forever."), ("Read a query plan together", "")],
    "javascript": [
        ("Promises in a loop", "The results arrive in the wrong order, or not at all."),
        ("Why is `this` undefined", "Only when I pass the method as a callback."),
    ],
    "react": [("Component renders three times", "Strict mode explains two of them."), ("Where to keep the state", "")],
    "statistics": [
        ("Which test for my survey", "Likert scale, two groups, 48 answers."),
        ("Interpret a mixed model", "My supervisor wants random slopes."),
    ],
    "machine-learning": [
        ("My validation loss goes up", "Training looks perfect."),
        ("Baseline for a text classifier", "900 documents, 6 classes, unbalanced."),
    ],
    "docker": [("Image of two gigabytes", "It should be one small service."), ("Compose file review", "")],
    "algorithms": [
        ("Dynamic programming from the start", "I can see the solution once I have read it, never before."),
        ("Practice interview", "Graphs, and talking while thinking."),
    ],
    "c": [
        ("Segmentation fault in a linked list", "It happens when the list has one element."),
        ("Pointers to pointers", ""),
    ],
    "java": [("Interfaces or inheritance", "Course project, a small shop."), ("Test a class with a clock", "")],
    "academic-writing": [
        ("Structure of my thesis", "Introduction is 30 pages, the rest is missing."),
        ("Read my abstract", "250 words, deadline on Friday."),
    ],
    "c#": [("Collision detection", "The ball falls through the floor at high speed."), ("Save games", "")],
    "security": [
        ("Is my login safe", "I wrote it myself, which is probably the answer."),
        ("Explain CSRF with my own app", ""),
    ],
    "go": [("Goroutines that never end", "The service needs more memory every hour."), ("Error handling style", "")],
    "rust": [("Lifetimes in a struct", "The compiler suggests 'static everywhere."), ("Iterator or loop", "")],
    "node.js": [("API that survives bad input", "It crashes when a number is a text."), ("Streams", "Large uploads.")],
}

MENTOR_REVIEWS = {
    5: [
        "Explained it twice in different words, and the second time it clicked.",
        "Came prepared, had read my code, and never made me feel slow.",
        "I left with a plan and two working tests.",
        "Best hour of my week. We found the bug in ten minutes and understood it in fifty.",
        "Patient and precise. I would book again tomorrow.",
        "",
    ],
    4: [
        "Very helpful. We ran out of time for the last question.",
        "Good explanations, a little quick at the start.",
        "Solved my problem; I would have liked a summary at the end.",
        "",
    ],
    3: ["Fine, but we spent half of it on setting up my machine.", "Helpful in parts.", ""],
    2: ["The call broke off twice and we did not get far.", "I expected more about my own code."],
    1: ["We talked past each other."],
}

STUDENT_REVIEWS = {
    5: ["Well prepared and curious.", "Had tried three things before and could say what happened.", ""],
    4: ["Good questions. Bring the error message next time.", ""],
    3: ["Came a few minutes late; we managed.", ""],
    2: ["Had not opened the exercise yet."],
    1: ["Left after ten minutes without a word."],
}

CANCEL_REASONS = [
    "I have solved it, thank you.",
    "The deadline was moved.",
    "I am ill today.",
    "A lecture was moved.",
    "",
]
DECLINE_REASONS = ["I am at a conference that week.", "This is not my field; try a colleague for statistics.", ""]
GROUP_NAME = "Compilers, group 4"
GROUP_DESCRIPTION = "We write a small compiler in Python this term: a lexer, a parser, and code for a stack machine."
STUDENT_BIOS = [
    "Second year of computer science.",
    "I change careers, from nursing to software.",
    "Writing my thesis on bird migration, with far too much data.",
    "Learning to program in the evenings.",
    "",
]
ZONES = [
    "Europe/Madrid", "Europe/Berlin", "Europe/London", "Europe/Warsaw", "Europe/Istanbul", "America/New_York",
    "America/Sao_Paulo", "America/Los_Angeles", "Africa/Lagos", "Africa/Nairobi", "Asia/Kolkata", "Asia/Tokyo",
    "Australia/Sydney", "Asia/Kathmandu",
]  # fmt: skip
SPOKEN = ["English", "Spanish", "German", "French", "Portuguese", "Polish", "Turkish", "Hindi", "Japanese", "Arabic"]
