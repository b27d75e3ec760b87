/* texts.c - sentences by language and class. */
#include "bench/arrivals/texts.h"

#include "bench/arrivals/random.h"
#include "model/message.h"

#define SENTENCES_MAX 6

struct phrases {
    const char *class_[AW_CLASS_COUNT][SENTENCES_MAX]; /* of care, the first four go with the codes, in order of their bits */
    const char *nudge[4];
    const char *bait[2];
    const char *flight; /* before the number */
    const char *filler[8];
};

static const struct phrases phrases[SURGE_LANG_COUNT] = {
    [SURGE_EN] = {.class_ = {{"My insulin is in the suitcase that you have and I need it tonight.",
                              "I use a wheelchair and nobody has come to take me off the plane.",
                              "My daughter is ten, she flies alone, and nobody at the desk knows where she is.",
                              "There is smoke at gate 14 and no member of staff to be seen."},
                             {"We leave in two hours and the app will not let us check in.",
                              "Boarding closes soon and our seats are gone from the booking.",
                              "Is the flight this afternoon going or not? I have to leave for the airport now.",
                              "We missed the connection and the next one goes within the hour. Can we still get on it?"},
                             {"Our flight was cancelled and the link to rebook shows an empty page.",
                              "Please refund the two tickets, we took the train in the end.",
                              "We have been standing in this queue for five hours.",
                              "Can you move us to any day next week? We are flexible.",
                              "Three hours on the ground already and nobody tells us why."},
                             {"My suitcase arrived with a broken wheel.", "The voucher that you sent is not accepted anywhere.",
                              "I was charged twice for the same seat.", "Nobody answers the phone, I have tried all morning."},
                             {"Thank you to the crew of this morning, you were wonderful.",
                              "What do you serve on the way to the south?", "Good luck to all of you today, it can't be easy.",
                              "Nice picture!"}},
                  .nudge = {"Hello?", "Any news?", "I am still waiting for an answer.", "Did you read my message?"},
                  .bait = {"This wait is killing me.", "Another emergency of your own making, well done."},
                  .flight = "It is about flight",
                  .filler = {"We travel with two small children.", "I have written three times now.",
                             "The website is down again.", "At the desk they sent us to you.",
                             "Please let me know what we can do.", "Our hotel only has room until tomorrow.",
                             "I have all the receipts.", "Nobody here can tell us anything."}},
    [SURGE_NL] =
        {.class_ = {{"Mijn insuline zit in de koffer die jullie hebben en ik heb die vanavond nodig.",
                     "Ik zit in een rolstoel en niemand komt me uit het vliegtuig halen.",
                     "Mijn dochter is tien, ze vliegt alleen en niemand aan de balie weet waar ze is.",
                     "Er is rook bij gate 14 en er is geen personeel te zien."},
                    {"We vertrekken over twee uur en inchecken lukt niet in de app.",
                     "Het boarden sluit zo en onze stoelen zijn uit de boeking verdwenen.",
                     "Gaat de vlucht van vanmiddag wel of niet? Ik moet nu weg naar het vliegveld.",
                     "We hebben de aansluiting gemist. Kunnen we nog mee met die van over een uur?"},
                    {"Onze vlucht is geannuleerd en de link om om te boeken geeft een lege pagina.",
                     "Graag de twee tickets terugbetalen, we zijn met de trein gegaan.", "We staan al vijf uur in deze rij.",
                     "Kunnen jullie ons omboeken naar volgende week? Elke dag is goed.",
                     "Al drie uur aan de grond en niemand zegt waarom."},
                    {"Mijn koffer kwam aan met een kapot wiel.", "De voucher die jullie stuurden wordt nergens aangenomen.",
                     "Er is twee keer betaald voor dezelfde stoel.", "Er neemt niemand op, ik bel al de hele ochtend."},
                    {"Dank aan de bemanning van vanochtend, jullie waren geweldig.",
                     "Wat is er te eten op de vlucht naar het zuiden?", "Sterkte vandaag allemaal, het zal niet meevallen.",
                     "Mooie foto!"}},
         .nudge = {"Hallo?", "Is er al nieuws?", "Ik wacht nog steeds op antwoord.", "Hebben jullie mijn bericht gelezen?"},
         .bait = {"Dit wachten wordt mijn dood nog.", "Weer een noodgeval van eigen makelij, knap hoor."},
         .flight = "Het gaat om vlucht",
         .filler = {"We reizen met twee kleine kinderen.", "Ik heb nu drie keer geschreven.", "De website ligt er weer uit.",
                    "Aan de balie stuurden ze ons naar jullie.", "Laat weten wat we kunnen doen.",
                    "Ons hotel heeft maar plaats tot morgen.", "Ik heb alle bonnetjes.", "Niemand hier kan ons iets vertellen."}},
    [SURGE_ES] = {.class_ = {{"Mi insulina está en la maleta que tienen ustedes y la necesito esta noche.",
                              "Voy en silla de ruedas y nadie ha venido a bajarme del avión.",
                              "Mi hija tiene diez años, vuela sola y nadie en el mostrador sabe dónde está.",
                              "Hay humo en la puerta 14 y no se ve a nadie del personal."},
                             {"Salimos en dos horas y la aplicación no deja facturar.",
                              "El embarque cierra ya y faltan nuestros asientos.",
                              "¿Sale o no el vuelo de esta tarde? Tengo que ir ya al aeropuerto."},
                             {"Han cancelado el vuelo y el enlace para cambiarlo está en blanco.",
                              "Quiero el reembolso de los dos billetes, al final fuimos en tren.",
                              "Llevamos cinco horas en esta cola.", "¿Nos pueden pasar a cualquier día de la semana que viene?"},
                             {"La maleta llegó con una rueda rota.", "El bono que enviaron no lo aceptan en ningún sitio.",
                              "Me han cobrado dos veces el mismo asiento."},
                             {"Gracias a la tripulación de esta mañana, estupendos.", "Mucho ánimo a todos hoy.",
                              "¡Bonita foto!"}},
                  .nudge = {"¿Hola?", "¿Hay noticias?", "Sigo esperando una respuesta.", "¿Han leído mi mensaje?"},
                  .bait = {"Esta espera me está matando.", "Otra emergencia que se inventan ustedes."},
                  .flight = "Es el vuelo",
                  .filler = {"Viajamos con dos niños pequeños.", "Ya he escrito tres veces.", "La web no funciona otra vez.",
                             "En el mostrador nos mandan aquí.", "Díganme qué podemos hacer.",
                             "El hotel solo tiene sitio hasta mañana.", "Guardo todos los recibos.", "Aquí nadie sabe nada."}},
    [SURGE_FR] = {.class_ = {{"Mon insuline est dans la valise que vous avez, il me la faut ce soir.",
                              "Je suis en fauteuil roulant et personne n'est venu me sortir de l'avion.",
                              "Ma fille a dix ans, elle voyage seule et personne au comptoir ne sait où elle est.",
                              "Il y a de la fumée à la porte 14 et personne de chez vous."},
                             {"Nous partons dans deux heures et l'application refuse l'enregistrement.",
                              "L'embarquement ferme bientôt et nos places ont disparu.",
                              "Le vol de cet après-midi part-il ou non ? Je dois partir maintenant."},
                             {"Notre vol est annulé et le lien pour le changer ne montre rien.",
                              "Merci de rembourser les deux billets, nous avons pris le train.",
                              "Cinq heures dans cette file d'attente.",
                              "Pouvez-vous nous mettre sur n'importe quel jour de la semaine prochaine ?"},
                             {"Ma valise est arrivée avec une roue cassée.",
                              "Le bon que vous avez envoyé n'est accepté nulle part.",
                              "J'ai été débité deux fois pour la même place."},
                             {"Merci à l'équipage de ce matin, vous étiez formidables.", "Bon courage à tous aujourd'hui.",
                              "Belle photo !"}},
                  .nudge = {"Allô ?", "Des nouvelles ?", "J'attends toujours une réponse.", "Avez-vous lu mon message ?"},
                  .bait = {"Cette attente me tue.", "Encore une urgence de votre invention."},
                  .flight = "C'est le vol",
                  .filler = {"Nous voyageons avec deux petits enfants.", "C'est la troisième fois que j'écris.",
                             "Le site est encore en panne.", "Au comptoir on nous envoie vers vous.",
                             "Dites-nous ce que nous pouvons faire.", "L'hôtel n'a de place que jusqu'à demain.",
                             "J'ai tous les reçus.", "Personne ici ne sait rien."}},
    [SURGE_DE] =
        {.class_ = {{"Mein Insulin ist in dem Koffer, den ihr habt, und ich brauche es heute Abend.",
                     "Ich sitze im Rollstuhl und niemand holt mich aus dem Flugzeug.",
                     "Meine Tochter ist zehn, fliegt allein und am Schalter weiß niemand, wo sie ist.",
                     "An Gate 14 ist Rauch und kein Mensch vom Personal."},
                    {"Wir fliegen in zwei Stunden und die App lässt uns nicht einchecken.",
                     "Das Boarding schließt gleich und unsere Sitze fehlen in der Buchung.",
                     "Geht der Flug heute Nachmittag oder nicht? Ich muss jetzt los."},
                    {"Unser Flug ist gestrichen und der Link zum Umbuchen zeigt nichts.",
                     "Bitte die zwei Tickets erstatten, wir haben den Zug genommen.", "Seit fünf Stunden in dieser Schlange.",
                     "Könnt ihr uns auf irgendeinen Tag nächste Woche legen?"},
                    {"Mein Koffer kam mit einem kaputten Rad an.", "Den Gutschein nimmt niemand an.",
                     "Derselbe Sitz wurde zweimal abgebucht."},
                    {"Danke an die Crew von heute früh, ihr wart großartig.", "Alles Gute euch allen heute.", "Schönes Bild!"}},
         .nudge = {"Hallo?", "Gibt es etwas Neues?", "Ich warte immer noch auf Antwort.", "Habt ihr meine Nachricht gelesen?"},
         .bait = {"Dieses Warten bringt mich um.", "Wieder ein Notfall von euren Gnaden."},
         .flight = "Es geht um Flug",
         .filler = {"Wir reisen mit zwei kleinen Kindern.", "Ich habe jetzt dreimal geschrieben.", "Die Seite geht wieder nicht.",
                    "Am Schalter schickt man uns zu euch.", "Sagt uns, was wir tun können.",
                    "Das Hotel hat nur bis morgen Platz.", "Ich habe alle Belege.", "Hier kann uns niemand etwas sagen."}},
    [SURGE_IT] = {.class_ = {{"La mia insulina è nella valigia che avete voi e mi serve stasera.",
                              "Sono in sedia a rotelle e nessuno è venuto a farmi scendere.",
                              "Mia figlia ha dieci anni, vola da sola e al banco nessuno sa dov'è.",
                              "C'è fumo al gate 14 e nessuno di voi."},
                             {"Partiamo tra due ore e l'app non fa il check-in.",
                              "L'imbarco chiude e i nostri posti sono spariti.", "Il volo di oggi pomeriggio parte o no?"},
                             {"Il volo è cancellato e il link per cambiarlo è vuoto.", "Vorrei il rimborso dei due biglietti.",
                              "Siamo in coda da cinque ore."},
                             {"La valigia è arrivata con una ruota rotta.", "Il buono non lo accetta nessuno.",
                              "Lo stesso posto pagato due volte."},
                             {"Grazie all'equipaggio di stamattina.", "Forza a tutti oggi.", "Bella foto!"}},
                  .nudge = {"C'è qualcuno?", "Novità?", "Aspetto ancora una risposta.", "Avete letto il mio messaggio?"},
                  .bait = {"Quest'attesa mi uccide.", "Un'altra emergenza inventata da voi."},
                  .flight = "È il volo",
                  .filler = {"Viaggiamo con due bambini piccoli.", "È la terza volta che scrivo.", "Il sito non va di nuovo.",
                             "Al banco ci mandano da voi.", "Diteci che cosa possiamo fare.",
                             "L'albergo ha posto solo fino a domani.", "Ho tutte le ricevute.", "Qui nessuno sa niente."}},
    [SURGE_PT] = {.class_ = {{"A minha insulina está na mala que vocês têm e preciso dela hoje à noite.",
                              "Estou em cadeira de rodas e ninguém me veio tirar do avião.",
                              "A minha filha tem dez anos, viaja sozinha e ninguém no balcão sabe dela.",
                              "Há fumo na porta 14 e ninguém da equipa."},
                             {"Partimos daqui a duas horas e a aplicação não deixa fazer o check-in.",
                              "O embarque está a fechar e faltam os lugares.", "O voo desta tarde parte ou não?"},
                             {"O voo foi cancelado e a página para remarcar está vazia.", "Quero o reembolso dos dois bilhetes.",
                              "Estamos há cinco horas nesta fila."},
                             {"A mala chegou com uma roda partida.", "Ninguém aceita o vale que enviaram.",
                              "Cobraram duas vezes o mesmo lugar."},
                             {"Obrigado à tripulação desta manhã.", "Força para todos hoje.", "Bonita fotografia!"}},
                  .nudge = {"Está aí alguém?", "Há novidades?", "Continuo à espera de resposta.", "Leram a minha mensagem?"},
                  .bait = {"Esta espera está a matar-me.", "Mais uma emergência inventada por vocês."},
                  .flight = "É o voo",
                  .filler = {"Viajamos com duas crianças pequenas.", "Já escrevi três vezes.", "O site está outra vez em baixo.",
                             "No balcão mandaram-nos para aqui.", "Digam o que podemos fazer.",
                             "O hotel só tem lugar até amanhã.", "Tenho todos os recibos.", "Aqui ninguém sabe nada."}},
    [SURGE_SV] = {.class_ = {{"Mitt insulin ligger i väskan som ni har och jag behöver det i kväll.",
                              "Jag sitter i rullstol och ingen har hämtat mig från planet.",
                              "Min dotter är tio, flyger ensam och ingen i disken vet var hon är.",
                              "Det är rök vid gate 14 och ingen personal syns."},
                             {"Vi åker om två timmar och appen låter oss inte checka in.",
                              "Gaten stänger snart och våra platser är borta.", "Går flyget i eftermiddag eller inte?"},
                             {"Vårt flyg är inställt och länken för ombokning är tom.",
                              "Betala tillbaka de två biljetterna, vi tog tåget.", "Vi har stått fem timmar i den här kön."},
                             {"Väskan kom fram med ett trasigt hjul.", "Ingen tar emot värdekupongen.",
                              "Samma plats har dragits två gånger."},
                             {"Tack till besättningen i morse.", "Lycka till alla i dag.", "Fin bild!"}},
                  .nudge = {"Hallå?", "Något nytt?", "Jag väntar fortfarande på svar.", "Har ni läst mitt meddelande?"},
                  .bait = {"Den här väntan tar livet av mig.", "Ännu ett nödläge som ni själva hittat på."},
                  .flight = "Det gäller flyg",
                  .filler = {"Vi reser med två små barn.", "Jag har skrivit tre gånger nu.", "Sidan ligger nere igen.",
                             "I disken skickar de oss till er.", "Säg vad vi kan göra.", "Hotellet har bara plats till i morgon.",
                             "Jag har alla kvitton.", "Ingen här kan säga något."}},
};

static const char *
pick(struct surge_random *random, const char *const *list, unsigned room)
{
    unsigned count = 0;

    while (count < room && list[count] != NULL)
        count++;
    return list[surge_random_below(random, count)];
}

static const char *
care_sentence(const struct phrases *of, uint8_t care)
{
    if ((care & AW_CARE_MEDICAL) != 0)
        return of->class_[AW_CLASS_CARE][0];
    if ((care & AW_CARE_REDUCED_MOBILITY) != 0)
        return of->class_[AW_CLASS_CARE][1];
    if ((care & AW_CARE_UNACCOMPANIED_MINOR) != 0)
        return of->class_[AW_CLASS_CARE][2];
    return of->class_[AW_CLASS_CARE][3];
}

static void
add(struct aw_buffer *buffer, size_t start, const char *sentence)
{
    if (buffer->len > start)
        aw_buffer_add_str(buffer, " ");
    aw_buffer_add_str(buffer, sentence);
}

/* Between words, or else between characters: what is left is whole. */
static void
cut(struct aw_buffer *buffer, size_t start, size_t bytes)
{
    size_t at = start + bytes;

    if (buffer->failed || buffer->len <= at)
        return;
    while (at > start && buffer->ptr[at] != ' ')
        at--;
    if (at == start) {
        at = start + bytes;
        while ((buffer->ptr[at] & 0xc0) == 0x80) /* inside of a character: up to its end */
            at++;
    }
    buffer->len = at;
}

void
surge_texts_write(const struct surge_arrival *arrival, struct aw_buffer *buffer)
{
    /* What goes round is one text, in one language, whoever sends it on. */
    const struct phrases *of = &phrases[arrival->near_duplicate ? SURGE_EN : arrival->lang];
    enum aw_class         class_ = arrival->near_duplicate ? AW_CLASS_GENERAL : arrival->class_;
    struct surge_random   random = surge_random_of(arrival->text_seed);
    size_t                bytes = arrival->near_duplicate ? 140 : arrival->text_bytes;
    size_t                start = buffer->len;

    if (arrival->flight_in_text && !arrival->near_duplicate) {
        char number[9];

        surge_flight_number(arrival->flight, number);
        aw_buffer_printf(buffer, "%s %s.", of->flight, number);
        bytes += buffer->len - start; /* it is not to be cut off */
    }
    if (arrival->bait)
        add(buffer, start, pick(&random, of->bait, AW_ARRAY_LEN(of->bait)));
    if (class_ == AW_CLASS_CARE)
        add(buffer, start, care_sentence(of, arrival->care));
    else if (arrival->kind == SURGE_NUDGE)
        add(buffer, start, pick(&random, of->nudge, AW_ARRAY_LEN(of->nudge)));
    else
        add(buffer, start, pick(&random, of->class_[class_], SENTENCES_MAX));
    while (!buffer->failed && buffer->len - start < bytes)
        add(buffer, start, pick(&random, of->filler, AW_ARRAY_LEN(of->filler)));
    cut(buffer, start, bytes < 1 ? 1 : bytes);
}
