"""Search over tickets and the knowledge base; docs/search.md says how it works."""

from tickets.search.finding import ORDERS, Hit, Results, related_articles, search_tickets, similar_articles
from tickets.search.index import index_ticket, index_tickets, remove_from_index

__all__ = [
    "ORDERS",
    "Hit",
    "Results",
    "index_ticket",
    "index_tickets",
    "related_articles",
    "remove_from_index",
    "search_tickets",
    "similar_articles",
]
